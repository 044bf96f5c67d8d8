package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// newLimits builds the limiters. Whoever is refused by one of them has cost
// nothing but that check.
func (l *layers) newLimits(s *settings, sh *shared, log *slog.Logger) error {
	var errs []error
	limiter := func(policies ...throttle.Policy) *throttle.Limiter {
		l.policies = append(l.policies, policies...)
		cfg := throttle.Config{Policies: policies, Overrides: l.overrides, Logger: log}
		if sh.limits != nil {
			// While Redis is away each instance counts by itself, as if there
			// were four of them.
			cfg.Store, cfg.Outage, cfg.Replicas = sh.limits, rampart.FallBack, 4
		}
		t, err := throttle.New(cfg)
		errs = append(errs, err)
		return t
	}
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

	l.edge = limiter(throttle.Policy{Name: "edge", Rate: times(larger(s.anon, s.user), 10), Algorithm: throttle.TokenBucket, Key: byIP})
	l.public = limiter(
		throttle.Policy{Name: "anon", Rate: s.anon, Key: byIP, Match: stranger},
		throttle.Policy{Name: "user", Rate: s.user, Key: throttle.ByCaller()},
	)
	l.login = limiter(
		throttle.Policy{Name: "login-address", Rate: fifth(s.anon), Key: byIP, Refund: notGuessed},
	)
	// The account is known only once the body has been read: auth's Guard asks.
	byGuard := throttle.By("account", func(*http.Request) string { return "" })
	l.account = limiter(
		throttle.Policy{Name: "login-known", Rate: fifth(s.anon), Key: byGuard},
		throttle.Policy{Name: "login-strangers", Rate: s.anon, Key: byGuard},
	)
	l.register = limiter(throttle.Policy{Name: "register", Rate: fifth(s.anon), Key: byIP})
	l.password = limiter(throttle.Policy{Name: "password", Rate: fifth(s.anon), Key: throttle.ByCaller(), Refund: notGuessed})
	// A good key holds its charge while it is served, so this bounds what one
	// address asks at once, too.
	l.keyGuesses = limiter(throttle.Policy{Name: "key-guesses", Rate: s.anon, Key: byIP, Refund: notGuessed})
	l.partner = limiter(throttle.Policy{Name: "partner", Rate: s.user, Key: byKey})
	return errors.Join(errs...)
}
