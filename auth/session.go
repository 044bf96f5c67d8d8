package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"
	"time"
)

// A Session is one log-in: the row from which its refresh tokens can be made
// again, and by which all its tokens live and die. It holds no token text.
type Session struct {
	ID              string    // unique, at most 64 bytes of printable ASCII
	Subject         string    // never empty, at most 255 bytes
	AuthenticatedAt time.Time // when the log-in began, by the store's clock
	Generation      int64     // number of the newest refresh token; the first is 1
	RotatedAt       time.Time // when that token was made
	Expires         time.Time // when that token expires; never after Ends
	Ends            time.Time // when the session ends for good, and its row may go
	Revoked         bool      // set by the store: Revoke, RevokeSubject or RevokeBefore ended it
}

// A SessionStore holds sessions. Every method is one atomic step, is safe for
// concurrent use, also by several processes, and returns an error other than
// those named only if the backend failed. Times are kept to the microsecond.
// The contract is tested by auth/authtest.TestStore.
//
// RevokeSubject and RevokeBefore set floors: a session is revoked if its
// AuthenticatedAt is not after the floor of its subject, or of all subjects.
// A floor only rises, and holds for sessions that are created later, too: a
// log-in that began before a password change and ends after it is refused.
type SessionStore interface {
	// Now tells the time by the clock that floors are compared by: the
	// database's, where several processes share one.
	Now(ctx context.Context) (time.Time, error)

	// Create adds s: ErrSessionExists if its ID is taken, ErrSuperseded if it
	// would be revoked already, ErrStoreFull if a bounded store has no room.
	Create(ctx context.Context, s Session) error

	// Get returns a session, also a revoked one: ErrNoSession if there is none.
	Get(ctx context.Context, id string) (Session, error)

	// Advance makes the next generation of the session: of n concurrent calls
	// with one gen exactly one moves it. It sets Generation to gen+1, RotatedAt
	// to at and Expires to expires, or Ends if that is earlier. It does not
	// move a session whose Generation is not gen, which is revoked, or which
	// expired at or before at. Either way it returns the session as it then
	// is: ErrNoSession if there is none.
	Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (now Session, moved bool, err error)

	// Revoke ends a session. There need not be one.
	Revoke(ctx context.Context, id string) error

	// RevokeSubject ends every session of subject whose log-in began at or
	// before that time. The subject "" is an error: it is nobody, and must not
	// be taken for everybody.
	RevokeSubject(ctx context.Context, subject string, before time.Time) error

	// RevokeBefore does so for all subjects.
	RevokeBefore(ctx context.Context, before time.Time) error
}

// Errors of a [SessionStore].
var (
	ErrNoSession     = errors.New("auth: no such session")
	ErrSessionExists = errors.New("auth: the session exists already")
	ErrSuperseded    = errors.New("auth: the log-in began before the sessions of its subject were ended")
	ErrStoreFull     = errors.New("auth: the session store is full")

	errNobody = errors.New("auth: no subject")
)

// RevokedIn returns a [VerifierConfig.Revoked] that asks store about the
// session of a token, by its primary key: a log-out or password change takes
// effect at once in every process that shares the store, for one query per
// request. A session that the store does not know has ended. Tokens that no
// [Service] issued have none, and pass.
func RevokedIn(store SessionStore) func(context.Context, *Token) (bool, error) {
	return func(ctx context.Context, t *Token) (bool, error) {
		if t.session == "" {
			return false, nil
		}
		s, err := store.Get(ctx, t.session)
		if errors.Is(err, ErrNoSession) {
			return true, nil
		}
		return s.Revoked || s.Subject != t.subject, err
	}
}

// Token ids name the session, so that simplejwt's claim set needs no further
// one: "<session>.<generation>" for refresh tokens, "<session>.<random>" for
// others, and behind it ".<stamp>" where the session was adopted.

// sessionIDLen is the length of a session id, in base32.
const sessionIDLen = 26

// The id of a session begins with the microsecond at which its log-in began, by
// the store's clock, so that [Revocations] can compare a token with a floor
// exactly as the store does with the row: iat has only whole seconds, and is of
// another clock. The 75 random bits after it need only be unique; nothing takes
// an id for a proof.
//
// The id of an adopted session comes from the jti and issuer alone, since Django
// renews a sliding token under one jti. Its tokens have the time in their own ids.
const (
	stampLen     = 11  // 55 bits, until the year 3111
	adoptedStamp = '7' // begins no stamp before the year 3075
	base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

func newSessionID(began time.Time) string {
	return stamp(began) + rand.Text()[:sessionIDLen-stampLen]
}

// stamp writes a time, to the microsecond; what lies before 1970 becomes that.
func stamp(at time.Time) string {
	var text [stampLen]byte
	micros := max(0, at.UnixMicro())
	for i := stampLen - 1; i >= 0; i-- {
		text[i] = base32Digits[micros&31]
		micros >>= 5
	}
	return string(text[:])
}

// adopted reports whether id is of a session that began with a token that no
// [Service] issued: its id does not tell when.
func adopted(id string) bool { return id[0] == adoptedStamp }

// beganAt returns the microsecond at which the log-in of a token's session began.
func beganAt(t *Token) int64 {
	text := t.session
	if adopted(t.session) {
		text = t.id[strings.LastIndexByte(t.id, '.')+1:]
		if len(text) != stampLen || !isBase32(text) { // none of ours
			return t.issuedAt.UnixMicro()
		}
	}
	var micros int64
	for i := range stampLen {
		digit := text[i] - 'A'
		if text[i] < 'A' {
			digit = text[i] - '2' + 26
		}
		micros = micros<<5 | int64(digit)
	}
	return micros
}

// foreignSessionID returns the id of the session of a token that no [Service]
// issued: of its jti and issuer. One that cannot be renewed has no row; its
// revocation goes by the same name.
func foreignSessionID(issuer, jti string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(issuer)) + ":" + issuer + jti))
	return string(adoptedStamp) + base32.StdEncoding.EncodeToString(sum[:])[:sessionIDLen-1]
}

func refreshID(s Session) string { return tokenID(s, strconv.FormatInt(s.Generation, 10)) }

func accessID(s Session) string { return tokenID(s, rand.Text()[:16]) }

func tokenID(s Session, rest string) string {
	id := s.ID + "." + rest
	if adopted(s.ID) {
		id += "." + stamp(s.AuthenticatedAt)
	}
	return id
}

// splitID takes a token id apart; session is empty for one that is not ours.
func splitID(id string) (session, rest string) {
	session, rest, ok := strings.Cut(id, ".")
	if !ok || len(session) != sessionIDLen || rest == "" || !isBase32(session) {
		return "", ""
	}
	return session, rest
}

func isBase32(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
