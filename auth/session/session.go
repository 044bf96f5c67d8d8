package session

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
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

	// TokenID is the jti of the newest refresh token where another issuer made that:
	// set for Create of a session that began with such a token. Only a [Shared] store
	// keeps it. "": the token is ours.
	TokenID string

	// Blacklisted is set by a [Shared] store: the other issuer has ended the newest
	// refresh token, or has made another one in its place, which takes the session on.
	Blacklisted bool

	// Device is what the client called itself at the log-in, its User-Agent, for
	// people who look through their sessions. It is untrusted text: anybody can
	// send any, so escape it where it is shown, and decide nothing by it. It has at
	// most 128 bytes of UTF-8, all printable characters and spaces. "": the client
	// sent none, or the session did not begin at a log-in handler.
	Device string
}

// A Store holds sessions. Every method is one atomic step, is safe for
// concurrent use, also by several processes, and returns an error other than
// those named only if the backend failed. Times are kept to the microsecond.
// The contract is tested by auth/authtest.TestStore.
//
// RevokeSubject and RevokeBefore set floors: a session is revoked if its
// AuthenticatedAt is not after the floor of its subject, or of all subjects.
// A floor only rises, and holds for sessions that are created later, too: a
// log-in that began before a password change and ends after it is refused.
type Store interface {
	// Now tells the time by the clock that floors are compared by: the
	// database's, where several processes share one.
	Now(ctx context.Context) (time.Time, error)

	// Create adds s: ErrSessionExists if its ID is taken, ErrSuperseded if it
	// would be revoked already, ErrStoreFull if a bounded store has no room.
	Create(ctx context.Context, s Session) error

	// Get returns a session, also a revoked one, or ErrNoSession.
	Get(ctx context.Context, id string) (Session, error)

	// Advance makes the next generation of the session: of n concurrent calls
	// with one gen exactly one moves it. It sets Generation to gen+1, RotatedAt
	// to at and Expires to expires, or Ends if that is earlier. It does not
	// move a session whose Generation is not gen, which is revoked, or which
	// expired at or before at. Either way it returns the session as it then
	// is: ErrNoSession if it is unknown.
	Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (now Session, moved bool, err error)

	// List returns the live sessions of subject, at most limit of them, and none if
	// limit is 0 or less: those that began last, the newest first. A session is live
	// if it is not revoked and Expires is after Now. The subject "" is an error. A
	// store may pass over what lies behind hundreds of newer sessions that ended.
	List(ctx context.Context, subject string, limit int) ([]Session, error)

	// Revoke ends a session, and reports whether the store knows it, ended or not.
	// An unknown one is no error.
	Revoke(ctx context.Context, id string) (known bool, err error)

	// RevokeSubject ends every session of subject whose log-in began at or before
	// that time, and returns how many live ones that were; a store may stop counting
	// at 1000. Concurrent calls count a session once. The subject "" is an error, so
	// that it is not taken for everybody.
	RevokeSubject(ctx context.Context, subject string, before time.Time) (ended int, err error)

	// RevokeBefore does so for all subjects, and counts nothing.
	RevokeBefore(ctx context.Context, before time.Time) error
}

// A Shared is a [Store] whose sessions another issuer with the same keys renews and
// ends, too, such as a Django at the same tables (package authdjango). A [Service]
// with one asks more than others do.
type Shared interface {
	Store

	// Succeed makes the token jti, which the other issuer made of a token of the
	// session, its newest one, if that was blacklisted and jti is not: it sets
	// Generation one higher, TokenID to jti, and RotatedAt and Expires to those times,
	// also where the session had expired. It returns the session as it then is, and
	// which generation jti is or was, or 0 if jti is not a token of the session: then
	// Blacklisted reports about jti itself. It returns ErrNoSession for an unknown session.
	Succeed(ctx context.Context, id, jti string, at, expires time.Time) (now Session, gen int64, err error)

	// Revoked reports whether the other issuer refuses the subject of t or what t says
	// of it. It is asked at every use of a refresh or sliding token.
	Revoked(ctx context.Context, t *auth.Token) (bool, error)

	// Claims returns what the other issuer wants to find in the tokens of subject; nil:
	// nothing more. It is asked once, at the log-in.
	Claims(ctx context.Context, subject string) (map[string]any, error)
}

// Errors of a [Store].
var (
	ErrNoSession     = errors.New("session: no such session")
	ErrSessionExists = errors.New("session: the session exists already")
	ErrSuperseded    = errors.New("session: the log-in began before the sessions of its subject were ended")
	ErrStoreFull     = errors.New("session: the session store is full")

	errNobody = errors.New("session: no subject")
)

// RevokedIn returns an [auth.VerifierConfig] Revoked that asks store about the
// session of a token, by its primary key: a log-out or password change takes
// effect at once in every process that shares the store, for one query per
// request. A session that the store does not know has ended. Tokens that no
// [Service] issued have none, and pass.
func RevokedIn(store Store) func(context.Context, *auth.Token) (bool, error) {
	return func(ctx context.Context, t *auth.Token) (bool, error) {
		id := sessionOf(t)
		if id == "" {
			return false, nil
		}
		s, err := store.Get(ctx, id)
		if errors.Is(err, ErrNoSession) {
			return true, nil
		}
		return s.Revoked || s.Subject != t.Subject(), err
	}
}

// A refresh token can be made again from its row: its jti is "<session>.<generation>".
// That of any other token is random. The claims sid and auth_time (OpenID Connect)
// name the session and when its log-in began, by the store's clock and to the
// microsecond: [auth.Revocations] then compare a token with a floor exactly as the
// store does with the row. iat has only whole seconds, and is of another clock.

func refreshID(s Session) string { return s.ID + "." + strconv.FormatInt(s.Generation, 10) }

// generationOf returns which refresh token of its session t is; 0 for one that
// never was any, or that another issuer made of one.
func generationOf(t *auth.Token) int64 {
	if sessionOf(t) == "" {
		return 1 // adopted
	}
	number, ok := strings.CutPrefix(t.ID(), t.Session()+".")
	gen, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return gen
}

// sessionOf returns the id of the session of a token that a [Service] issued;
// empty for others, whatever sid they have.
func sessionOf(t *auth.Token) string {
	if !jose.IsSession(t.Session()) {
		return ""
	}
	return t.Session()
}
