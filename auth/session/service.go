package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
)

const (
	defaultAccessTTL  = 5 * time.Minute
	defaultRefreshTTL = 24 * time.Hour
	defaultSessionTTL = 30 * 24 * time.Hour
	defaultGrace      = 10 * time.Second
	maxGrace          = time.Minute
	maxMaxSessions    = maxListed / 2 // so that one look at them ends some
)

// Config says how a [Service] issues tokens.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Tokens is the configuration of the [auth.Verifier] that takes the access
	// tokens. It says what the service issues, too: the first key of its Keys, an
	// [*auth.Keys], signs, and Issuer, the first of Audiences, SubjectClaim,
	// KindClaim and the first of HeaderTypes go into the tokens. What Claims asks for
	// must be among the claims of [Service.Issue], because refresh tokens have those,
	// and not what a [Claimer] adds. Required.
	Tokens auth.VerifierConfig

	// Users checks passwords, and at every refresh whether the account may still log
	// in: a service that only calls [Service.Issue] needs it, too. Required.
	Users Users

	// Sessions keeps one row per log-in. Required: without it a log-out would
	// silently do nothing.
	Sessions Store

	// Revocations is told what ends, so that access tokens die with their
	// session on every instance: set Revoked in Tokens to its method Revoked.
	// nil: nobody is told, and Revoked in Tokens is [RevokedIn] or nil.
	Revocations *auth.Revocations

	// AccessTTL is how long an access token lives. 0: 5 minutes.
	AccessTTL time.Duration

	// RefreshTTL is how long a session lives without a refresh. 0: 24 hours.
	RefreshTTL time.Duration

	// SessionTTL is how long a session lives at most. 0: 30 days.
	SessionTTL time.Duration

	// NoRotation keeps one refresh token for the whole session, as simplejwt
	// does by default. A stolen one then is not noticed, and the session ends
	// RefreshTTL after the log-in.
	NoRotation bool

	// Grace is how long after its use a refresh token still gets its
	// successor once more, the same one, as long as that is unused: a client
	// that lost the response, or asked twice at once, stays logged in. The two
	// strings differ where signatures are salted (PS256 and its like) or the key
	// has been rotated in between; their claims are the same, and using one
	// uses up both. Every other reuse ends the session. A minute at most;
	// 0: 10 seconds; negative: none.
	Grace time.Duration

	// MaxSessions is how many sessions of a subject live at most, up to 50: a log-in
	// above that ends the one that began first. Log-ins at the same moment can be
	// more until they all are done. 0: no limit.
	MaxSessions int

	// ClaimsInRefresh puts the claims of a [Claimer] into the refresh tokens, too, as
	// get_token of simplejwt does: a Django that refreshes a token of ours then makes
	// access tokens with them. The service itself goes by what the Claimer says at each
	// refresh. A claim of [Service.Issue] stays as it is there.
	ClaimsInRefresh bool

	// Style is the shape and wording of the responses. "": StylePlain.
	Style Style

	// LegacyNames adds the names access_token and refresh_token to the responses.
	LegacyNames bool

	// Cookie, such as "__Host-refresh", has the refresh token travel in a
	// cookie of that name, which no script can read, and never in a body. The
	// prefix __Host- is required. IssueHandler sets the cookie, RefreshHandler
	// and EndSessionHandler read it, the latter clears it; all three then serve
	// only pages of their own origin, as [http.CrossOriginProtection] sees it,
	// and no requests without Sec-Fetch-Site and Origin. "": the token is in the body.
	Cookie string

	// Guard limits guesses of passwords. nil: they are not limited here.
	Guard Guard

	// DeviceCookie is set at each log-in, for the name that logged in, so that
	// Guard can ask whether a device is known. nil: none is set.
	DeviceCookie *DeviceCookie

	// ErrorHandler responds to a refused request; err is a [*auth.TokenError],
	// ErrBadCredentials, ErrCrossOrigin, a [*rampart.Problem] about its form,
	// an error that wraps what Guard returned (a 429 unless that says
	// otherwise), or any other error: a backend has failed, a 503. The header
	// WWW-Authenticate is set where it belongs. nil: application/problem+json, or
	// what Style says.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events. nil: slog.Default().
	Logger *slog.Logger
}

// Simplejwt returns the configuration that djangorestframework-simplejwt has with
// its defaults: Tokens of [auth.Simplejwt], 5 minutes and one day, no rotation, and
// its wording.
// Set NoRotation to false once the clients keep the refresh token that a refresh
// returns. Add what is missing: Users, Sessions, and Revoked in Tokens.
func Simplejwt(secret []byte) Config {
	return Config{Tokens: auth.Simplejwt(secret), NoRotation: true, Style: StyleDjango}
}

// A Service issues, renews and ends sessions. It is safe for concurrent use.
// Create one with [New]; the zero Service refuses everything.
type Service struct {
	tokens       auth.VerifierConfig // with its defaults
	v            *auth.Verifier      // of tokens, but asks nobody what is revoked
	rehearsal    rehearsal           // with the claims of an application
	keys         *auth.Keys
	users        Users
	claimer      Claimer // nil: no further claims
	sessions     Store
	shared       Shared            // sessions, if another issuer has a part in them
	revocations  *auth.Revocations // nil: nobody is told
	accessTTL    time.Duration
	refreshTTL   time.Duration
	sessionTTL   time.Duration
	grace        time.Duration
	rotates      bool
	maxSessions  int // 0: any number
	style        Style
	legacyNames  bool
	inRefresh    bool // a Claimer's claims are in refresh tokens, too
	cookie       string
	crossOrigin  http.CrossOriginProtection
	guard        Guard
	device       *DeviceCookie // nil: none
	errorHandler func(http.ResponseWriter, *http.Request, error)
	reporter     *rampart.Reporter
	nameKey      []byte // hashes user names for the log
}

// New returns a Service for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	v, err := cfg.check()
	if err != nil {
		return nil, err
	}
	rehearsal, err := newRehearsal(cfg.Tokens)
	if err != nil {
		return nil, err
	}
	s := &Service{
		tokens:       cfg.Tokens,
		rehearsal:    rehearsal,
		v:            v,
		users:        cfg.Users,
		sessions:     cfg.Sessions,
		revocations:  cfg.Revocations,
		accessTTL:    cfg.AccessTTL,
		refreshTTL:   cfg.RefreshTTL,
		sessionTTL:   cfg.SessionTTL,
		grace:        cfg.Grace,
		rotates:      !cfg.NoRotation,
		maxSessions:  cfg.MaxSessions,
		style:        cfg.Style,
		legacyNames:  cfg.LegacyNames,
		inRefresh:    cfg.ClaimsInRefresh,
		cookie:       cfg.Cookie,
		guard:        cfg.Guard,
		device:       cfg.DeviceCookie,
		errorHandler: cfg.ErrorHandler,
		reporter:     rampart.NewReporter(cfg.Logger, "auth/session"),
		nameKey:      []byte(rand.Text()),
	}
	s.keys, _ = cfg.Tokens.Keys.(*auth.Keys) // check saw it
	s.claimer, _ = cfg.Users.(Claimer)
	s.shared, _ = cfg.Sessions.(Shared)
	switch {
	case s.errorHandler != nil:
	case s.style == StyleOAuth:
		s.errorHandler = writeOAuth
	default:
		s.errorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { rampart.WriteError(w, err) }
	}
	if s.guard == nil {
		s.guard = func(context.Context, *http.Request, string) (func(error), error) { return nil, nil } //nolint:nilnil // a guard that lets all pass
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	c.Tokens.Audiences = slices.Clone(c.Tokens.Audiences)
	c.Tokens.SubjectClaim = cmp.Or(c.Tokens.SubjectClaim, jose.SubjectClaim)
	c.Tokens.KindClaim = cmp.Or(c.Tokens.KindClaim, jose.KindClaim)
	c.Tokens.MaxBytes = cmp.Or(c.Tokens.MaxBytes, jose.DefaultMaxToken)
	if c.Tokens.Now == nil {
		c.Tokens.Now = time.Now
	}
	set := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	set(&c.AccessTTL, defaultAccessTTL)
	set(&c.RefreshTTL, defaultRefreshTTL)
	set(&c.SessionTTL, max(defaultSessionTTL, c.RefreshTTL))
	set(&c.Grace, defaultGrace)
	return c
}

// check returns the verifier of c, whose defaults are set, or every mistake in c.
func (c Config) check() (*auth.Verifier, error) {
	bad := conferr.For("session.Config")
	own := c.Tokens
	own.Revoked, own.CacheSize = nil, -1 // the service asks the row
	v, err := auth.NewVerifier(own)
	bad.Join(err)
	if keys, _ := c.Tokens.Keys.(*auth.Keys); err == nil && !jose.CanSign(keys.Signing()) {
		bad.Add("Tokens.Keys", auth.ReasonMismatch, nil, "these keys only verify; make them with auth.NewKeys and a secret or private key")
	}
	bad.If(c.Tokens.SubjectClaim == "iss", "Tokens.SubjectClaim", rampart.ReasonConflict, nil, `a service does not issue tokens whose issuer is the subject; use "sub"`)
	// Our refresh tokens would have to be told from strangers'.
	bad.If(c.Tokens.DangerouslyUntyped, "Tokens.DangerouslyUntyped", rampart.ReasonConflict, nil, "a service needs the kind of each token; leave it false")
	// What a service writes, its verifier must take.
	const wantPlain = "a service issues tokens of one issuer, with aud, and its own words for the kinds; leave it empty"
	bad.If(len(c.Tokens.Kinds) > 0, "Tokens.Kinds", rampart.ReasonConflict, nil, wantPlain)
	bad.If(len(c.Tokens.Tenants) > 0, "Tokens.Tenants", rampart.ReasonConflict, nil, wantPlain)
	bad.If(!slices.Contains([]string{"", "aud"}, c.Tokens.AudienceClaim), "Tokens.AudienceClaim", rampart.ReasonConflict, nil, wantPlain)
	bad.If(c.Users == nil, "Users", rampart.ReasonMissing, nil, "give the Users that check names and passwords")
	bad.If(c.Sessions == nil, "Sessions", rampart.ReasonMissing, nil, "give a Store, such as that of authsql or authredis, or NewMemoryStore for one process")
	bad.If(c.Revocations != nil && c.Tokens.Revoked == nil, "Tokens.Revoked", rampart.ReasonMissing, nil, "set it to the method Revoked of Revocations: they do nothing unless they are asked")
	bad.If(c.AccessTTL < time.Second, "AccessTTL", rampart.ReasonInvalid, c.AccessTTL, "use 1s or more; 0 means 5m")
	bad.If(c.RefreshTTL < c.AccessTTL, "RefreshTTL", rampart.ReasonInvalid, c.RefreshTTL, "use at least AccessTTL; 0 means 24h")
	bad.If(c.SessionTTL < c.RefreshTTL, "SessionTTL", rampart.ReasonInvalid, c.SessionTTL, "use at least RefreshTTL; 0 means 720h (30 days), or RefreshTTL if that is longer")
	bad.If(c.MaxSessions < 0 || c.MaxSessions > maxMaxSessions, "MaxSessions", rampart.ReasonInvalid, c.MaxSessions, "use 1 to 50; 0 means no limit")
	bad.If(c.Style != StylePlain && c.Style != StyleOAuth && c.Style != StyleDjango, "Style", rampart.ReasonInvalid, c.Style, "use StylePlain, StyleOAuth or StyleDjango")
	bad.If(c.LegacyNames && c.Style == StyleOAuth, "LegacyNames", rampart.ReasonPointless, nil, "StyleOAuth has these names already; leave LegacyNames false")
	bad.If(c.Cookie != "" && !isCookieName(c.Cookie), "Cookie", rampart.ReasonInvalid, c.Cookie, wantCookie)
	bad.If(c.Grace > maxGrace, "Grace", rampart.ReasonInvalid, c.Grace, "use up to 1m")
	return v, bad.Err()
}
