package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/throttle"
)

// layers holds one of each layer that the routes are wrapped in.
type layers struct {
	requestID *rampart.RequestID
	clientIP  *rampart.ClientIP
	headers   *headers.Headers
	cors      *cors.CORS
	edge      *throttle.Limiter // by address, before any cryptography
	verifier  *auth.Verifier
	service   *auth.Service
	keySet    *auth.Keys
	keys      *apikey.Keys
	public    *throttle.Limiter // anon by address, user by subject
	login     *throttle.Limiter // failed log-ins by address
	account   *throttle.Limiter // failed log-ins by account
	register  *throttle.Limiter
	password  *throttle.Limiter
	partner   *throttle.Limiter
	guard     *sanitize.Guard // JSON bodies
	forms     *sanitize.Guard // JSON or form bodies
}

// newLayers builds every layer, and reports what is wrong with any of them.
func newLayers(s *settings, sec *secrets, db *database, u *users, log *slog.Logger) (*layers, error) {
	var l layers
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	var err error

	l.requestID, err = rampart.NewRequestID(rampart.RequestIDConfig{TrustedProxies: s.trusted})
	keep(err)
	l.clientIP, err = rampart.NewClientIP(rampart.ClientIPConfig{TrustedProxies: s.trusted})
	keep(err)

	hcfg := headers.API(s.hosts...)
	hcfg.TrustedProxies = s.trusted
	hcfg.ProbePaths = []string{"/healthz"}
	if s.tlsCert != "" { // where -addr says
		hcfg.Redirect.Port = s.port
	}
	hcfg.Logger = log
	l.headers, err = headers.New(hcfg)
	keep(err)

	l.cors, err = cors.New(cors.Config{
		Origins:         s.origins,
		Methods:         []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-API-Key"},
		ResponseHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
		Logger:          log,
	})
	keep(err)

	keep(l.newLimits(s, log))
	keep(l.newAuth(s, sec, db, u, log))

	store, err := apikeysql.New(db.DB, db.dialect)
	keep(err)
	l.keys, err = apikey.New(apikey.Config{Store: store, Prefix: "eco_live", ClientIP: l.clientIP.Addr, Logger: log})
	keep(err)

	l.guard, err = sanitize.NewGuard(sanitize.GuardConfig{Logger: log})
	keep(err)
	l.forms, err = sanitize.NewGuard(sanitize.GuardConfig{
		Limits: sanitize.Limits{MaxBody: 64 << 10, ContentTypes: []string{"application/json", "application/x-www-form-urlencoded"}},
		Logger: log,
	})
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &l, nil
}

// newLimits builds the limiters. Whoever is refused by one of them has cost
// nothing but that check.
func (l *layers) newLimits(s *settings, log *slog.Logger) error {
	var errs []error
	limiter := func(policies ...throttle.Policy) *throttle.Limiter {
		t, err := throttle.New(throttle.Config{Policies: policies, Logger: log})
		errs = append(errs, err)
		return t
	}
	byIP := throttle.ByIP(l.clientIP.Addr)
	bySubject := throttle.By("subject", func(r *http.Request) string {
		if t, ok := auth.FromContext(r.Context()); ok {
			return t.Subject()
		}
		return ""
	})
	stranger := func(r *http.Request) bool {
		_, ok := auth.FromContext(r.Context())
		return !ok
	}
	byKey := throttle.By("key", func(r *http.Request) string {
		if c, ok := apikey.FromContext(r.Context()); ok {
			return c.ID()
		}
		return ""
	})
	// Only refused credentials count: what succeeds gives its charge back, and
	// so does what was never looked at.
	notGuessed := func(status int) bool {
		return status < http.StatusBadRequest || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}

	l.edge = limiter(throttle.Policy{Name: "edge", Rate: times(larger(s.anon, s.user), 10), Algorithm: throttle.TokenBucket, Key: byIP})
	l.public = limiter(
		throttle.Policy{Name: "anon", Rate: s.anon, Key: byIP, Match: stranger},
		throttle.Policy{Name: "user", Rate: s.user, Key: bySubject},
	)
	l.login = limiter(
		throttle.Policy{Name: "login-address", Rate: fifth(s.anon), Key: byIP, Refund: notGuessed},
	)
	// The account is known only once the body has been read: auth's Guard asks.
	byGuard := throttle.By("account", func(*http.Request) string { return "" })
	l.account = limiter(
		throttle.Policy{Name: "login-network", Rate: fifth(s.anon), Key: byGuard},
		throttle.Policy{Name: "login-account", Rate: times(s.anon, 10), Key: byGuard},
	)
	l.register = limiter(throttle.Policy{Name: "register", Rate: fifth(s.anon), Key: byIP})
	l.password = limiter(throttle.Policy{Name: "password", Rate: fifth(s.anon), Key: bySubject, Refund: notGuessed})
	l.partner = limiter(throttle.Policy{Name: "partner", Rate: s.user, Key: byKey})
	return errors.Join(errs...)
}

// newAuth builds what checks and issues tokens: simplejwt's claims and answers,
// so that a Django deployment with the same secret shares its users' tokens.
func (l *layers) newAuth(s *settings, sec *secrets, db *database, u *users, log *slog.Logger) error {
	vcfg, scfg := auth.Simplejwt(sec.signing)
	if s.signingKey != "" {
		keys, err := signingKeys(s.signingKey)
		if err != nil {
			return err
		}
		vcfg.Keys = keys
	}
	sessions, err := authsql.New(db.DB, db.dialect)
	if err != nil {
		return err
	}
	vcfg.Revoked = revoked(auth.RevokedIn(sessions), u)
	vcfg.Logger = log
	if l.verifier, err = auth.NewVerifier(vcfg); err != nil {
		return err
	}
	l.keySet, _ = vcfg.Keys.(*auth.Keys) // NewVerifier saw that it is one
	scfg.Verifier, scfg.Users, scfg.Sessions, scfg.Logger = l.verifier, u, sessions, log
	scfg.NoRotation = false // Django's default leaves a stolen refresh token good for its whole life
	scfg.Guard = guardAccount(l.account, l.clientIP.Addr)
	l.service, err = auth.NewService(scfg)
	return err
}

// revoked asks for the session of a token, which one that Django issued has not,
// and, as Django does, for its user.
func revoked(session func(context.Context, *auth.Token) (bool, error), u *users) func(context.Context, *auth.Token) (bool, error) {
	return func(ctx context.Context, t *auth.Token) (bool, error) {
		if ended, err := session(ctx, t); ended || err != nil {
			return ended, err
		}
		active, err := u.Active(ctx, t.Subject())
		return !active, err
	}
}

// guardAccount counts failed log-ins by account: from one network, so that a
// stranger's guesses do not lock out the owner somewhere else, and from
// everywhere, with a ceiling that only a large attack reaches. The log-in that
// succeeds forgets its network's.
func guardAccount(limit *throttle.Limiter, clientIP func(*http.Request) netip.Addr) auth.Guard {
	return func(ctx context.Context, r *http.Request, name string) (func(bool), error) {
		network := throttle.AddrKey(clientIP(r), 24, 48) + " " + name
		for _, bucket := range []struct{ policy, key string }{{"login-network", network}, {"login-account", name}} {
			if _, err := limit.Take(ctx, bucket.policy, bucket.key, 1); err != nil {
				denied, ok := errors.AsType[*throttle.DeniedError](err)
				if !ok || denied.Reason != throttle.QuotaExceeded {
					return nil, &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable"}
				}
				return nil, tooManyError{denied.Decision.Results[0].RetryAfter}
			}
		}
		return func(ok bool) {
			if ok { // if it fails the count stays: the safe side
				_ = limit.Reset(ctx, "login-network", network)
			}
		}, nil
	}
}

// tooManyError is a log-in that must wait.
type tooManyError struct{ after time.Duration }

func (e tooManyError) Error() string             { return "too many failed log-ins for this account" }
func (e tooManyError) RetryAfter() time.Duration { return e.after }

// signingKeys reads an asymmetric key.
func signingKeys(file string) (*auth.Keys, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: -signing-key: %w", errSettings, err)
	}
	var errs []error
	for _, alg := range []auth.Algorithm{auth.EdDSA, auth.ES256, auth.ES384, auth.ES512, auth.RS256} {
		key, err := auth.ParseKey(alg, "", text)
		if err == nil {
			return auth.NewKeys(key)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w: -signing-key: no algorithm fits: %w", errSettings, errors.Join(errs...))
}
