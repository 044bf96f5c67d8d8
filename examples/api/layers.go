package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// layers holds one of each layer that the routes are wrapped in.
type layers struct {
	requestID  *server.RequestID
	clientIP   *server.ClientIP
	headers    *headers.Headers
	cors       *cors.CORS
	lockdown   *incident.Lockdown
	blocks     *ipfilter.Filter
	limiters   []*throttle.Limiter // all of them
	overrides  *throttle.Overrides
	edge       *throttle.Limiter // by address, before any cryptography
	verifier   *auth.Verifier
	service    *session.Service
	issuing    session.Config // of that
	sessions   *authsql.Store
	keySet     *auth.Keys
	keys       *apikey.Keys
	public     *throttle.Limiter    // anon by address, user by subject
	atOnce     *throttle.Concurrent // log-ins
	login      *throttle.Limiter    // failed log-ins by address
	account    *throttle.Limiter    // failed log-ins by account
	register   *throttle.Limiter
	password   *throttle.Limiter
	keyGuesses *throttle.Limiter // refused API keys by address
	partner    *throttle.Limiter
	guard      *sanitize.Guard // JSON bodies
	forms      *sanitize.Guard // JSON or form bodies
}

// newLayers builds every layer, and reports what is wrong with any of them.
func newLayers(s *settings, sec *secrets, db *database, standing *auth.Standing, u *users, sh *shared, m *managed, log *slog.Logger) (*layers, error) {
	var l layers
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	var err error

	l.requestID, err = server.NewRequestID(server.RequestIDConfig{Proxies: s.proxies})
	keep(err)
	l.clientIP, err = server.NewClientIP(s.proxies)
	keep(err)

	hcfg := headers.API(s.hosts...)
	hcfg.Proxies = s.proxies
	hcfg.ProbePaths = []string{"/healthz"}
	if s.tlsCert != "" { // where -addr says
		hcfg.Redirect.Port = s.port
	}
	hcfg.Cookies.Prefix = map[string]string{accessCookie: "__Host-", refreshCookie: "__Host-"} // no sibling host can plant one, over https
	hcfg.Logger = log
	l.headers, err = headers.New(hcfg)
	keep(err)

	l.cors, err = cors.New(cors.Config{
		Origins:         s.origins,
		Methods:         []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-API-Key", "Idempotency-Key"},
		ResponseHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
		Logger:          log,
	})
	keep(err)

	l.lockdown, err = incident.NewLockdown(incident.LockdownConfig{
		Open: []string{"/healthz", "/api/token/", "/api/ops/*", "/login", "/shop/*", "/console/*"}, Feed: sh.feed, ClientIP: l.clientIP.Addr, Logger: log,
	})
	keep(err)
	// While its feed is down the blocks that are known hold: refusing everybody would
	// finish what an attacker of the feed began.
	l.blocks, err = ipfilter.New(ipfilter.Config{ClientIP: l.clientIP.Addr, Feed: sh.feed, Outage: rampart.FailOpen, Logger: log})
	keep(err)
	l.overrides, err = throttle.NewOverrides(throttle.OverridesConfig{Feed: sh.feed, Outage: rampart.FailOpen, Logger: log})
	keep(err)
	keep(l.newLimits(s, sh, log))
	keep(l.newAuth(s, sec, db, standing, u, sh, m, log))

	store, err := apikeysql.New(db.DB, db.dialect, apikeysql.Config{Timeout: db.timeout})
	keep(err)
	kcfg := apikey.Config{
		Store: store, Prefix: keyPrefix, CacheTTL: time.Minute, Feed: sh.feed, ClientIP: l.clientIP.Addr, Logger: log,
		OwnerScopes: u.scopes, // a key has no right that its owner has lost
	}
	if s.legacyKeys { // else what is not one of our keys costs no question to the database
		kcfg.Legacy = []apikey.Legacy{djangoKeys}
	}
	l.keys, err = apikey.New(kcfg)
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
