package main

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// newLimits builds the limiters. A caller that one of them refuses has cost
// nothing but that check.
func (l *layers) newLimits(s *settings, sh *shared, log *slog.Logger) error {
	var errs []error
	build := func(store throttle.Store, policies []throttle.Policy) *throttle.Limiter {
		// Where an instance counts by itself, also while Redis is away, it lets its share
		// of the rate pass.
		cfg := throttle.Config{Policies: policies, Overrides: l.overrides, Instances: sh.feed.Live, Logger: log}
		if store != nil {
			cfg.Store, cfg.Outage = store, rampart.FallBack
		}
		t, err := throttle.New(cfg)
		errs, l.limiters = append(errs, err), append(l.limiters, t)
		return t
	}
	limiter := func(policies ...throttle.Policy) *throttle.Limiter { return build(sh.limits, policies) }
	// Limits that are only there against floods and guesses ask nobody.
	own := func(policies ...throttle.Policy) *throttle.Limiter { return build(nil, policies) }
	byIP := throttle.ByIP(l.clientIP.Addr)
	stranger := func(r *http.Request) bool {
		_, ok := rampart.CallerFrom(r.Context())
		return !ok
	}
	byKey := throttle.By("key", func(r *http.Request) string {
		c, _ := rampart.CallerFrom(r.Context())
		return c.ID
	})
	// Only refused credentials count: what succeeds gives its charge back, and
	// so does what was never looked at.
	notGuessed := func(status int) bool {
		return status < http.StatusBadRequest || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}

	// Each call of an operator counts, and so does a mistyped password: none may be
	// tightened so far that nobody gets in to lift it.
	call, try := throttle.Rate{Count: 1, Period: time.Minute}, throttle.Rate{Count: 2, Period: time.Hour}
	edge, fifth := times(larger(s.anon, s.user), 10), fifth(s.anon)
	l.edge = own(throttle.Policy{Name: "edge", Rate: edge, Least: least(edge, call), Algorithm: throttle.TokenBucket, Key: byIP})
	l.public = limiter(
		throttle.Policy{Name: "anon", Rate: s.anon, Key: byIP, Match: stranger},
		throttle.Policy{Name: "user", Rate: s.user, Least: least(s.user, call), Key: throttle.ByCaller()},
	)
	// Each log-in asks the database and waits for its turn to have the password checked:
	// a thousand of them would only keep each other waiting. So many are more than arrive
	// together after a deployment, and as many as are served within seconds.
	var err error
	l.atOnce, err = throttle.NewConcurrent(throttle.ConcurrentConfig{Name: "log-ins", InAll: 64, Logger: log})
	errs = append(errs, err)
	l.login = limiter(
		throttle.Policy{Name: "login-address", Rate: fifth, Least: least(fifth, try), Key: byIP, Refund: notGuessed},
	)
	// The account is known only once the body has been read: auth's Guard asks.
	byGuard := throttle.By("account", func(*http.Request) string { return "" })
	l.account = limiter(
		throttle.Policy{Name: "login-known", Rate: fifth, Least: least(fifth, try), Key: byGuard},
		throttle.Policy{Name: "login-strangers", Rate: s.anon, Least: least(s.anon, try), Key: byGuard},
	)
	l.register = limiter(throttle.Policy{Name: "register", Rate: fifth, Key: byIP})
	l.password = limiter(throttle.Policy{Name: "password", Rate: fifth, Key: throttle.ByCaller(), Refund: notGuessed})
	// A good key holds its charge while it is served, so this bounds what one
	// address asks at once, too.
	l.keyGuesses = own(throttle.Policy{Name: "key-guesses", Rate: s.anon, Key: byIP, Refund: notGuessed})
	l.partner = limiter(throttle.Policy{Name: "partner", Rate: s.user, Key: byKey})
	return errors.Join(errs...)
}
