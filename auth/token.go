package auth

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A Kind says what a token is good for. A token of one kind never passes for
// another.
type Kind string

// The kinds. Any is for asking only: it stands for one of the others.
const (
	Access  Kind = "access"
	Refresh Kind = "refresh"
	Sliding Kind = "sliding"
	Any     Kind = "any"
)

// A Token is a verified token. It is immutable: requests that carry the same
// text may share one. It does not hold the text, so it is no credential.
type Token struct {
	payload string    // the claims as they were signed; the strings below are parts of it
	parse   sync.Once // fills members
	members []member
	key     *Key   // that verified it
	keyID   string // by which the header named it

	id, subject, session, issuer           string
	kind                                   Kind
	issuedAt, notBefore, expires, authTime time.Time
	scope                                  string // separated by spaces
}

// ID returns the claim jti; empty if the token has none.
func (t *Token) ID() string { return t.id }

// Subject returns the verified subject, never empty. The subject of a token
// whose user_id is the integer 1 is "1".
func (t *Token) Subject() string { return t.subject }

// Session returns the claim sid, the id of the session that the token belongs to;
// empty if the token has none.
func (t *Token) Session() string { return t.session }

// Issuer returns the claim iss; empty if the token has none.
func (t *Token) Issuer() string { return t.issuer }

// Kind returns what the token is good for; empty only if
// [VerifierConfig.DangerouslyUntyped] let it in without.
func (t *Token) Kind() Kind { return t.kind }

// IssuedAt returns the claim iat; the zero time if the token has none.
func (t *Token) IssuedAt() time.Time { return t.issuedAt }

// AuthTime returns when the subject logged in: the claim auth_time, or else iat;
// the zero time if the token has no iat. An auth_time after iat is not believed.
func (t *Token) AuthTime() time.Time {
	// Some issuers write 0 for unknown. One that lies ahead would escape every
	// revocation by time; iat has been checked.
	if t.authTime.Unix() > 0 && !t.authTime.After(t.issuedAt.Add(clockMargin)) {
		return t.authTime
	}
	return t.issuedAt
}

// Expires returns the claim exp: the first instant at which the token is no
// longer good.
func (t *Token) Expires() time.Time { return t.expires }

// Scopes iterates over the token's scopes, in the order in which the token has
// them: see [VerifierConfig].ScopeClaims.
func (t *Token) Scopes() iter.Seq[string] { return t.Caller().Scopes() }

// HasScope reports whether the token has scope s. It never has "".
func (t *Token) HasScope(s string) bool { return t.Caller().HasScope(s) }

// ErrNoClaim is returned by [Token.Claim] for a claim that the token lacks.
var ErrNoClaim = errors.New("auth: no such claim")

// A member is a claim as it was signed.
type member struct{ name, value string }

// claims returns the claims, which are read once more at the first call: most
// handlers ask for none.
func (t *Token) claims() []member {
	t.parse.Do(func() {
		_ = strictjson.NewReader().Object(t.payload, func(name, value string) error { // it was read before
			t.members = append(t.members, member{name, value})
			return nil
		})
	})
	return t.members
}

// Claim decodes the claim of that name into dst, a pointer, as json.Unmarshal
// does, but strictly: names are matched exactly, and none may come twice. dst
// never shares memory with the token.
func (t *Token) Claim(name string, dst any) error {
	for _, m := range t.claims() {
		if m.name == name {
			return strictjson.Decode(m.value, dst)
		}
	}
	return ErrNoClaim
}

// Decode decodes all claims into dst, a pointer to a struct or a map, as
// json.Unmarshal does, but strictly, as [Token.Claim] does; claims that dst has no
// place for are left out. dst never shares memory with the token.
func (t *Token) Decode(dst any) error { return strictjson.Decode(t.payload, dst) }

// Claims iterates over the claims as they were signed, in the order in which the
// token has them.
func (t *Token) Claims() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, m := range t.claims() {
			if !yield(m.name, json.RawMessage(m.value)) {
				return
			}
		}
	}
}

// Caller returns who carries the token; the zero Caller if t is nil.
func (t *Token) Caller() rampart.Caller {
	if t == nil {
		return rampart.Caller{}
	}
	return rampart.Caller{Kind: rampart.KindToken, Issuer: t.issuer, Subject: t.subject, Scope: t.scope, ID: t.id}
}

// LogValue implements [slog.LogValuer]: what identifies the token, no claims.
func (t *Token) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", string(t.kind)), slog.String("id", t.id))
}

type tokenKey struct{}

// FromContext returns the token that [Verifier.Handler] or [Verifier.Optional]
// verified; false without one.
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(tokenKey{}).(*Token)
	return t, ok
}
