package integration_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed"
)

// authInstance is what one of several processes has: a service and a verifier
// that asks no store about access tokens. maxStale is that of the feed; 0 is its
// default.
func authInstance(t testing.TB, store session.Store, source feed.Source, outage rampart.Outage, maxStale time.Duration) (*session.Service, *auth.Verifier) {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	changes, err := feed.New(t.Context(), feed.Config{Source: source, MaxStale: maxStale, Logger: discard})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, changes.Close()) })
	revocations, err := auth.NewRevocations(auth.RevocationsConfig{Feed: changes, Outage: outage, Logger: discard})
	require.NoError(t, err)
	cfg := session.Simplejwt([]byte(authSecret))
	cfg.Tokens.Revoked, cfg.Tokens.Logger = revocations.Revoked, discard
	v, err := auth.NewVerifier(cfg.Tokens)
	require.NoError(t, err)
	cfg.Users, cfg.Sessions, cfg.Revocations, cfg.Logger = everybody{}, store, revocations, discard
	cfg.NoRotation = false
	s, err := session.New(cfg)
	require.NoError(t, err)
	return s, v
}

func TestRevocationReachesThreeInstancesWithinASecond(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			dbA, dbB := backend.open(t)
			a, verifierA := authInstance(t, authStore(t, dbA, backend.dialect), feedSource(t, dbA, backend.dialect), rampart.FailClosed, 0)
			b, verifierB := authInstance(t, authStore(t, dbB, backend.dialect), feedSource(t, dbB, backend.dialect), rampart.FailClosed, 0)
			_, verifierC := authInstance(t, authStore(t, dbB, backend.dialect), feedSource(t, dbB, backend.dialect), rampart.FailClosed, 0)
			verifiers := []*auth.Verifier{verifierA, verifierB, verifierC}
			good := func(pair *session.Pair) (n int) {
				for _, v := range verifiers {
					if _, err := v.Verify(t.Context(), pair.Access, auth.Access); err == nil {
						n++
					}
				}
				return n
			}
			var times []time.Duration
			for desc, end := range map[string]func(context.Context, *session.Pair) error{
				"EndSession": func(ctx context.Context, p *session.Pair) error { return errOf(b.EndSession(ctx, p.Session)) },
				"EndSubject": func(ctx context.Context, _ *session.Pair) error { return errOf(b.EndSubject(ctx, "1")) },
				"EndAll":     func(ctx context.Context, _ *session.Pair) error { return b.EndAll(ctx, time.Time{}) },
			} {
				pair, err := a.Issue(t.Context(), "1", nil)
				require.NoError(t, err)
				soon := func() bool { return good(pair) == 3 } // a feed that is held up fails closed
				require.Eventually(t, soon, 20*time.Second, 10*time.Millisecond, desc)
				require.NoError(t, end(t.Context(), pair))
				ended := time.Now()
				_, err = verifierB.Verify(t.Context(), pair.Access, auth.Access)
				require.Error(t, err, "at once where it was ordered")
				again, err := a.Issue(t.Context(), "1", nil) // mostly in the same second
				require.NoError(t, err)
				for good(pair) > 0 {
					require.Less(t, time.Since(ended), 20*time.Second, desc)
					time.Sleep(10 * time.Millisecond)
				}
				times = append(times, time.Since(ended))
				require.Eventually(t, func() bool { return good(again) == 3 }, 20*time.Second, 10*time.Millisecond, desc)
				require.Zero(t, good(pair), desc)
			}
			withinASecond(t, times)
		})
	}
}
