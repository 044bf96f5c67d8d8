package auth

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

const (
	defaultAccessTTL  = 5 * time.Minute
	defaultRefreshTTL = 24 * time.Hour
	defaultSessionTTL = 30 * 24 * time.Hour
	defaultGrace      = 10 * time.Second
	maxGrace          = time.Minute
)

// ServiceConfig says how a [Service] issues tokens.
type ServiceConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Verifier checks the refresh tokens, and says which issuer, audience and
	// claims new tokens get. Its Keys must be a [*Keys] whose first key can
	// sign. Required.
	Verifier *Verifier

	// Users checks passwords. Required for [Service.IssueHandler]; a service that
	// only calls [Service.Issue] still needs it at every refresh. Required.
	Users Users

	// Sessions keeps one row per log-in. Required: without it a log-out would
	// silently do nothing.
	Sessions SessionStore

	// Revocations is told what ends, so that access tokens die with their
	// session on every instance. nil: nobody is told, and the verifier's
	// Revoked is [RevokedIn] or nil.
	Revocations *Revocations

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
	// that lost the answer, or asked twice at once, stays logged in. The two
	// texts differ where signatures are salted (PS256 and its like) or the key
	// has been rotated in between; their claims are the same, and using one
	// uses up both. Every other reuse ends the session. A minute at most;
	// 0: 10 seconds; negative: none.
	Grace time.Duration

	// LegacyNames also answers the names access_token and refresh_token.
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

	// ErrorHandler answers a refused request; err is a [*TokenError],
	// ErrBadCredentials, ErrCrossOrigin, a [*rampart.Problem] about its form,
	// an error that wraps what Guard returned (a 429 unless that says
	// otherwise), or any other error: a backend has failed, a 503. The header
	// WWW-Authenticate is set where it belongs. nil: application/problem+json
	// with simplejwt's detail and code.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events. nil: slog.Default().
	Logger *slog.Logger
}

// A Service issues, renews and ends sessions. It is safe for concurrent use.
// Create one with [NewService]; the zero Service refuses everything.
type Service struct {
	v            *Verifier
	keys         *Keys
	users        Users
	claimer      Claimer // nil: no further claims
	sessions     SessionStore
	revocations  *Revocations // nil: nobody is told
	accessTTL    time.Duration
	refreshTTL   time.Duration
	sessionTTL   time.Duration
	grace        time.Duration
	rotates      bool
	legacyNames  bool
	cookie       string
	crossOrigin  http.CrossOriginProtection
	guard        Guard
	device       *DeviceCookie // nil: none
	errorHandler func(http.ResponseWriter, *http.Request, error)
	reporter     *rampart.Reporter
	nameKey      []byte // hashes user names for the log
}

// NewService returns a Service for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func NewService(cfg ServiceConfig) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Service{
		v:            cfg.Verifier,
		users:        cfg.Users,
		sessions:     cfg.Sessions,
		revocations:  cfg.Revocations,
		accessTTL:    cfg.AccessTTL,
		refreshTTL:   cfg.RefreshTTL,
		sessionTTL:   cfg.SessionTTL,
		grace:        cfg.Grace,
		rotates:      !cfg.NoRotation,
		legacyNames:  cfg.LegacyNames,
		cookie:       cfg.Cookie,
		guard:        cfg.Guard,
		device:       cfg.DeviceCookie,
		errorHandler: cfg.ErrorHandler,
		reporter:     rampart.NewReporter(cfg.Logger),
		nameKey:      []byte(rand.Text()),
	}
	s.keys, _ = cfg.Verifier.keys.(*Keys) // validate saw it
	s.claimer, _ = cfg.Users.(Claimer)
	if s.errorHandler == nil {
		s.errorHandler = writeError
	}
	if s.guard == nil {
		s.guard = func(context.Context, *http.Request, string) (func(error), error) { return nil, nil } //nolint:nilnil // a guard that lets all pass
	}
	return s, nil
}

func (c ServiceConfig) withDefaults() ServiceConfig {
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

// validate returns every mistake in c, whose defaults are set.
func (c ServiceConfig) validate() error {
	bad := conferr.For("auth.ServiceConfig")
	if c.Verifier == nil || c.Verifier.keys == nil {
		bad.Add("Verifier", rampart.ReasonMissing, nil, "give the Verifier of NewVerifier, with the keys that sign")
	} else {
		bad.If(!canSign(c.Verifier.keys), "Verifier", ReasonMismatch, nil, "its keys only verify; make it with NewKeys and a secret or private key")
		bad.If(c.Verifier.subjectClaim == "iss", "Verifier", rampart.ReasonConflict, nil, `a service does not issue tokens whose issuer is the subject; use the SubjectClaim "sub"`)
		// Our refresh tokens would have to be told from strangers'.
		bad.If(c.Verifier.untyped, "Verifier", rampart.ReasonConflict, nil, "a service needs the kind of each token; use a Verifier without DangerouslyUntyped")
	}
	bad.If(c.Users == nil, "Users", rampart.ReasonMissing, nil, "give the Users that check names and passwords")
	bad.If(c.Sessions == nil, "Sessions", rampart.ReasonMissing, nil, "give a SessionStore, such as that of authsql or authredis, or NewMemoryStore for one process")
	bad.If(c.AccessTTL < time.Second, "AccessTTL", rampart.ReasonInvalid, c.AccessTTL, "use 1s or more; 0 means 5m")
	bad.If(c.RefreshTTL < c.AccessTTL, "RefreshTTL", rampart.ReasonInvalid, c.RefreshTTL, "use at least AccessTTL; 0 means 24h")
	bad.If(c.SessionTTL < c.RefreshTTL, "SessionTTL", rampart.ReasonInvalid, c.SessionTTL, "use at least RefreshTTL; 0 means 720h (30 days), or RefreshTTL if that is longer")
	bad.If(c.Cookie != "" && !isCookieName(c.Cookie), "Cookie", rampart.ReasonInvalid, c.Cookie, wantCookie)
	bad.If(c.Grace > maxGrace, "Grace", rampart.ReasonInvalid, c.Grace, "use up to 1m")
	return bad.Err()
}
