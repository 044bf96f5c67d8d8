package auth

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
)

const (
	defaultCacheSize = 10_000
	maxLeeway        = 5 * time.Minute
)

// VerifierConfig says which tokens a [Verifier] accepts.
type VerifierConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Keys finds the key of a token. Required.
	Keys KeySource

	// Issuer is the required value of the claim iss. It must be set; "*" takes any
	// or none. One with "{tenantid}" in it, as Microsoft writes it, stands for an
	// issuer for each of Tenants: a token's own is the claim tid, a GUID.
	Issuer string

	// Tenants lists the tenants, by their GUIDs, whose tokens are taken where
	// Issuer has "{tenantid}", and is required then: the tenants share their keys,
	// but for those that the JWK set names the issuer of, as Microsoft's does.
	// "*" takes those of all, which anybody may found.
	Tenants []string

	// Audiences lists the recipients that this server stands for: one of them
	// must be in a token's aud. Required; "*" takes any or none.
	Audiences []string

	// AudienceClaim names the claim that is held against Audiences: "aud" (""
	// too), or "client_id" where the issuer writes no aud. A token that has aud,
	// too, must name one of Audiences there as well.
	AudienceClaim string

	// Leeway is how far the issuer's clock may be off, 5 minutes at most. 0: not at all.
	Leeway time.Duration

	// SubjectClaim names the claim that holds the subject: "sub" ("" too), or
	// simplejwt's "user_id". A token without it is refused. With "iss" the issuer
	// is the subject, as where each caller has a key of its own and signs for
	// itself (RFC 7523 section 3).
	SubjectClaim string

	// HeaderTypes lists what the header typ of an access token may be, without
	// "application/" and in any case. "JWT" stands for an absent typ, too; "at+jwt"
	// (RFC 9068) says by itself that the token is for access. Both are for an
	// issuer that changes from one to the other. Tokens of other kinds have JWT or
	// none, whatever is listed. A session.Service writes the first. nil: JWT.
	HeaderTypes []string

	// KindClaim names the claim that holds the [Kind]. "": "token_type". A token
	// without it is refused, unless its typ is at+jwt or AccessClaims has it.
	KindClaim string

	// Kinds says what the values of the kind claim mean, as where an issuer
	// writes "Bearer" for [Access]; any other value is refused. nil: "access",
	// "refresh" and "sliding" mean themselves.
	Kinds map[string]Kind

	// AccessClaims lists claims that an issuer writes into access tokens and into
	// nothing else with this audience: a token with at least one of them, not
	// empty, is an access token without a kind claim, and without a jti. nil: such
	// a token is refused.
	AccessClaims []string

	// Claims lists further claims that a token must have, each with the values of
	// which it must be one: a string, or a number or boolean as JSON writes it. "*"
	// alone takes any but null, "", [] and {}. No value at all is a mistake.
	Claims map[string][]string

	// RefusedClaims lists claims that a token must not have, whatever their value:
	// those of ID and log-out tokens, such as "nonce" and "events".
	RefusedClaims []string

	// ScopeClaims lists claims with scopes, each a string separated by spaces or
	// a list of strings. Of those that a token has, the first one of ScopeClaims
	// counts alone: what a user let an application do is not widened by what the
	// user may do. nil: "scope" and "scopes" together.
	ScopeClaims []string

	// RequestKind is the kind of token that Check and Handler take: [Access]
	// ("" too), or [Sliding].
	RequestKind Kind

	// DangerouslyUntyped takes tokens without a kind claim, or without a jti,
	// for access tokens, as third parties make them. Where those use the same
	// keys and audience for other things, an OpenID ID token or a log-out
	// token then passes as an access token (RFC 8725 section 3.12).
	DangerouslyUntyped bool

	// DangerouslyPublishedKey takes a secret that begins with "django-insecure-", as
	// Django's startproject writes it into a file that goes into the repository: who
	// reads that makes tokens for anybody. For a server on loopback.
	DangerouslyPublishedKey bool

	// MaxBytes is the longest token that is looked at, up to 64 KiB. 0: 8192.
	MaxBytes int

	// CacheSize is how many verified tokens are kept, so that their signatures
	// are not checked with each request; expiry, kind and revocation still are.
	// 0: 10 000, which takes some 10 MB. Negative: none.
	CacheSize int

	// Revoked reports whether a verified token has been revoked since. It is
	// asked on every request: [Revocations.Revoked] looks into its own memory, and
	// session.RevokedIn asks a store. If it fails, the response is 503. nil: tokens
	// are good until they expire.
	Revoked func(context.Context, *Token) (bool, error)

	// Check is asked last, for a token of any kind that everything else lets
	// pass, on every request: an error refuses it. The log has the error's text,
	// the client a 401 without it. It must be safe for concurrent use. What needs
	// a backend belongs in Revoked, whose failure is a 503. nil: no such check.
	Check func(*Token) error

	// Source takes the token from a request; ErrNoToken if it has none.
	// nil: [FromHeader].
	Source func(*http.Request) (string, error)

	// ErrorHandler responds to a refused request; err is a [rampart.Refusal], of this
	// layer itself a [*TokenError], and the
	// header WWW-Authenticate is set where RFC 6750 asks for it. nil:
	// application/problem+json.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// DjangoStyle refuses requests in the words of djangorestframework-simplejwt, on
	// which its clients may rely: they say what is wrong with a token.
	DjangoStyle bool

	// Logger receives one security event for each refused request. nil: slog.Default().
	Logger *slog.Logger

	// Now tells the time, for tests. nil: time.Now.
	Now func() time.Time
}

// withDefaults returns c with its zero values replaced, on its own memory.
func (c VerifierConfig) withDefaults() VerifierConfig {
	c.Audiences, c.Tenants = slices.Clone(c.Audiences), slices.Clone(c.Tenants)
	c.Kinds = maps.Clone(c.Kinds)
	c.ScopeClaims = slices.Clone(c.ScopeClaims)
	c.AudienceClaim = cmp.Or(c.AudienceClaim, "aud")
	c.SubjectClaim = cmp.Or(c.SubjectClaim, jose.SubjectClaim)
	c.KindClaim = cmp.Or(c.KindClaim, jose.KindClaim)
	c.RequestKind = cmp.Or(c.RequestKind, Access)
	c.MaxBytes = cmp.Or(c.MaxBytes, jose.DefaultMaxToken)
	c.CacheSize = cmp.Or(c.CacheSize, defaultCacheSize)
	if limit := c.MaxBytes; c.Source == nil {
		c.Source = func(r *http.Request) (string, error) { return bearer(r, limit) }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// validate returns every mistake in c, whose defaults are set.
func (c VerifierConfig) validate() error {
	bad := conferr.For("auth.VerifierConfig")
	const wantKeys = "give the set of NewKeys or NewRemoteKeys, or a KeySource of your own"
	bad.If(c.Keys == nil, "Keys", rampart.ReasonMissing, nil, wantKeys)
	switch keys := c.Keys.(type) {
	case *Keys:
		bad.If(keys == nil || keys.Signing() == nil, "Keys", rampart.ReasonMissing, nil, wantKeys)
		bad.If(keys.published() && !c.DangerouslyPublishedKey, "Keys", rampart.ReasonWeak, nil, `a secret that begins with "django-insecure-" is in the repository of its project; make a new one, or set DangerouslyPublishedKey on loopback`)
	case *RemoteKeys:
		bad.If(keys == nil || keys.client == nil, "Keys", rampart.ReasonMissing, nil, wantKeys)
	case noKeys:
		bad.Join(keys.err)
	}
	bad.If(c.Issuer == "", "Issuer", rampart.ReasonMissing, nil, `name the iss that tokens have, such as "https://auth.example.com"; "*" takes any`)
	bad.If(len(c.Audiences) == 0, "Audiences", rampart.ReasonMissing, nil, `name the aud that tokens for this server have, such as "api"; "*" takes any`)
	for _, a := range c.Audiences {
		bad.If(a == "", "Audiences", rampart.ReasonInvalid, a, `an audience is not empty; "*" takes any`)
		bad.If(a == jose.Any && len(c.Audiences) > 1, "Audiences", rampart.ReasonConflict, a, `"*" takes any audience; remove it or the others`)
	}
	bad.If(c.Leeway < 0 || c.Leeway > maxLeeway, "Leeway", rampart.ReasonInvalid, c.Leeway, "use 0 to 5m")
	const wantClaim = `use a claim without a meaning of its own, such as "sub" or "user_id" for SubjectClaim and "token_type" for KindClaim`
	bad.If(jose.Registered(c.SubjectClaim) && c.SubjectClaim != "iss", "SubjectClaim", rampart.ReasonInvalid, c.SubjectClaim, wantClaim)
	bad.If(jose.Registered(c.KindClaim) || c.KindClaim == "sub", "KindClaim", rampart.ReasonInvalid, c.KindClaim, wantClaim)
	bad.If(c.RequestKind != Access && c.RequestKind != Sliding, "RequestKind", rampart.ReasonInvalid, c.RequestKind, "use Access or Sliding")
	bad.If(c.KindClaim == c.SubjectClaim, "KindClaim", rampart.ReasonConflict, c.KindClaim, "SubjectClaim names this claim; use two")
	c.checkTokens(bad)
	bad.If(c.MaxBytes < 0 || c.MaxBytes > jose.MaxToken, "MaxBytes", rampart.ReasonInvalid, c.MaxBytes, "use up to 65536 bytes; 0 means 8192")
	return bad.Err()
}
