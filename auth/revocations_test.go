package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// line is a feed of several instances in one process: what one publishes, all
// get at once.
type line struct {
	mu      sync.Mutex
	changes []string
	expires []time.Time
	subs    []func([]byte, time.Time)
	age     time.Duration
	err     error
}

func (l *line) Subscribe(topic string, apply func([]byte, time.Time)) {
	for i, c := range l.changes {
		apply([]byte(c), l.expires[i])
	}
	l.subs = append(l.subs, apply)
}

func (l *line) Publish(_ context.Context, topic string, data []byte, keep time.Duration) error {
	if l.err != nil {
		return l.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes, l.expires = append(l.changes, string(data)), append(l.expires, time.Now().Add(keep))
	for _, apply := range l.subs {
		apply(data, time.Now().Add(keep))
	}
	return nil
}

func (l *line) Age() time.Duration { return l.age }

func newRevocations(tb testing.TB, feed rampart.Feed, change ...func(*auth.RevocationsConfig)) *auth.Revocations {
	tb.Helper()
	cfg := auth.RevocationsConfig{Feed: feed, Outage: rampart.FailClosed, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	r, err := auth.NewRevocations(cfg)
	require.NoError(tb, err)
	return r
}

// newInstance is a service and the verifier that asks its revocations.
func newInstance(tb testing.TB, store *auth.MemoryStore, r *auth.Revocations) (*auth.Service, *auth.Verifier) {
	tb.Helper()
	v := newVerifier(tb, func(c *auth.VerifierConfig) { c.Revoked = r.Revoked })
	_, cfg := auth.Simplejwt([]byte(secret))
	cfg.Verifier, cfg.Users, cfg.Sessions, cfg.Revocations = v, &people{}, store, r
	cfg.NoRotation, cfg.Grace, cfg.Logger = false, -1, slog.New(slog.DiscardHandler)
	s, err := auth.NewService(cfg)
	require.NoError(tb, err)
	return s, v
}

func isRevoked(tb testing.TB, v *auth.Verifier, raw string) bool {
	tb.Helper()
	_, err := v.Verify(tb.Context(), raw, auth.Access)
	if err != nil {
		require.Equal(tb, auth.TokenRevoked, reason(err), err.Error())
	}
	return err != nil
}

func TestRevocationsReachTheAccessTokensOfEveryInstance(t *testing.T) {
	for name, feed := range map[string]rampart.Feed{"one process": nil, "several": &line{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := auth.NewMemoryStore(0)
				r := newRevocations(t, feed)
				a, there := newInstance(t, store, r)
				if feed != nil {
					_, there = newInstance(t, store, newRevocations(t, feed))
				}
				issue := func(subject string) *auth.Pair {
					pair, err := a.Issue(t.Context(), subject, nil)
					require.NoError(t, err)
					require.False(t, isRevoked(t, there, pair.Access))
					time.Sleep(time.Microsecond)
					return pair
				}
				first, second, other := issue("1"), issue("1"), issue("2")

				require.NoError(t, a.EndSession(t.Context(), first.Session))
				require.NoError(t, a.EndSession(t.Context(), ""))
				require.NoError(t, a.EndSession(t.Context(), "of another maker"))
				assert.True(t, isRevoked(t, there, first.Access))
				assert.False(t, isRevoked(t, there, second.Access))

				require.NoError(t, a.EndSubject(t.Context(), "1"))
				assert.True(t, isRevoked(t, there, second.Access))
				assert.False(t, isRevoked(t, there, other.Access))
				time.Sleep(time.Microsecond)
				again := issue("1")
				assert.False(t, isRevoked(t, there, again.Access), "a log-in in the same second as the revocation")

				require.NoError(t, a.EndAll(t.Context(), time.Time{}))
				assert.True(t, isRevoked(t, there, again.Access))
				assert.True(t, isRevoked(t, there, other.Access))
				time.Sleep(time.Microsecond)
				assert.False(t, isRevoked(t, there, issue("2").Access))

				reused := issue("3")
				next, err := a.Refresh(t.Context(), reused.Refresh)
				require.NoError(t, err)
				_, err = a.Refresh(t.Context(), reused.Refresh)
				assert.Equal(t, auth.TokenReused, reason(err))
				assert.True(t, isRevoked(t, there, reused.Access))
				assert.True(t, isRevoked(t, there, next.Access))

				if feed != nil {
					_, fresh := newInstance(t, store, newRevocations(t, feed))
					assert.True(t, isRevoked(t, fresh, first.Access), "a fresh instance knows all")
				}
			})
		})
	}
}

func TestRevocationsOfForeignTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := auth.NewMemoryStore(0)
		s, v := newInstance(t, store, newRevocations(t, &line{}))
		refresh := token("token_type", `"refresh"`)
		pair, err := s.Refresh(t.Context(), refresh) // adopted
		require.NoError(t, err)
		require.False(t, isRevoked(t, v, pair.Access))
		_, err = v.Verify(t.Context(), refresh, auth.Refresh)
		require.NoError(t, err)
		require.NoError(t, s.EndSession(t.Context(), pair.Session))
		assert.True(t, isRevoked(t, v, pair.Access), "of the session that it began")
		_, err = v.Verify(t.Context(), refresh, auth.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err), "by its jti")
		assert.False(t, isRevoked(t, v, token("jti", `"other"`)))

		at := func(d time.Duration) string {
			return token("jti", `"other"`, "iat", fmt.Sprint(time.Now().Add(d).Unix()))
		}
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, s.EndSubject(t.Context(), "1"))
		assert.True(t, isRevoked(t, v, at(-time.Minute)), "by its iat")
		assert.True(t, isRevoked(t, v, at(0)), "in the same second")
		assert.True(t, isRevoked(t, v, token("jti", `"other"`, "iat", "")), "without an iat")
		time.Sleep(time.Second)
		assert.False(t, isRevoked(t, v, at(0)))
	})
}

func TestTheClockOfAnInstanceDoesNotDecideWhatIsRevoked(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Second, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store, r := auth.NewMemoryStore(0), newRevocations(t, nil)
			v := newVerifier(t, func(c *auth.VerifierConfig) {
				c.Revoked, c.Leeway = r.Revoked, 10*time.Second
				c.Now = func() time.Time { return time.Now().Add(skew) }
			})
			s, err := auth.NewService(auth.ServiceConfig{Verifier: v, Users: &people{}, Sessions: store, Revocations: r, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			began := fmt.Sprint(time.Now().Unix())
			tokens := func(jti string) (own, adopted, slid string) {
				pair, err := s.Issue(t.Context(), "1", nil)
				require.NoError(t, err)
				other, err := s.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", `"r`+jti+`"`, "iat", began))
				require.NoError(t, err)
				again, err := s.Refresh(t.Context(), other.Refresh)
				require.NoError(t, err)
				return pair.Access, other.Access, again.Access
			}
			time.Sleep(time.Second)
			own, adopted, renewed := tokens("1")
			for _, raw := range []string{own, adopted, renewed} {
				require.False(t, isRevoked(t, v, raw))
			}
			require.NoError(t, s.EndSubject(t.Context(), "1"))
			for _, raw := range []string{own, adopted, renewed} {
				assert.True(t, isRevoked(t, v, raw))
			}
			time.Sleep(time.Second)
			began = fmt.Sprint(time.Now().Unix())
			own, adopted, renewed = tokens("2")
			for _, raw := range []string{own, adopted, renewed} {
				assert.False(t, isRevoked(t, v, raw), "a log-in after the end")
			}
		})
	}
}

func TestTokensOfAnAdoptedSessionWithoutATimeAreJudgedByTheirIat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newInstance(t, auth.NewMemoryStore(0), newRevocations(t, nil))
		odd := token("jti", `"7`+strings.Repeat("A", 25)+`.x"`)
		require.False(t, isRevoked(t, v, odd))
		require.NoError(t, s.EndSubject(t.Context(), "1"))
		assert.True(t, isRevoked(t, v, odd))
	})
}

func TestTheOutagePolicyDecidesWhileTheFeedBringsNothing(t *testing.T) {
	feed := &line{}
	store := auth.NewMemoryStore(0)
	s, closed := newInstance(t, store, newRevocations(t, feed))
	_, open := newInstance(t, store, newRevocations(t, feed, func(c *auth.RevocationsConfig) { c.Outage = rampart.FailOpen }))
	good, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	bad, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	require.NoError(t, s.EndSession(t.Context(), bad.Session))
	feed.age = time.Minute
	_, err = closed.Verify(t.Context(), good.Access, auth.Access)
	assert.ErrorIs(t, err, auth.ErrOutage)
	assert.Equal(t, auth.TokenUnverified, reason(err))
	assert.False(t, isRevoked(t, open, good.Access))
	assert.True(t, isRevoked(t, closed, bad.Access), "what is known holds")
	assert.True(t, isRevoked(t, open, bad.Access))
}

func TestWhatCannotBePublishedIsAnError(t *testing.T) {
	feed := &line{}
	store := auth.NewMemoryStore(0)
	s, _ := newInstance(t, store, newRevocations(t, feed))
	pair, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	feed.err = errors.New("connection refused")
	_, err = s.Refresh(t.Context(), pair.Refresh)
	assert.ErrorIs(t, err, feed.err)
	assert.ErrorIs(t, s.EndSession(t.Context(), pair.Session), feed.err)
	assert.ErrorIs(t, s.EndSubject(t.Context(), "1"), feed.err)
	assert.ErrorIs(t, s.EndAll(t.Context(), time.Time{}), feed.err)
	row, err := store.Get(t.Context(), pair.Session)
	require.NoError(t, err)
	assert.True(t, row.Revoked, "the store has it all the same")
}

func TestRevocationsAreBoundedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		r := newRevocations(t, feed, func(c *auth.RevocationsConfig) { c.MaxEntries = 2 })
		s, v := newInstance(t, auth.NewMemoryStore(0), r)
		good, err := s.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		end := func() {
			pair, err := s.Issue(t.Context(), "2", nil)
			require.NoError(t, err)
			require.NoError(t, s.EndSession(t.Context(), pair.Session))
			require.NoError(t, s.EndSession(t.Context(), pair.Session), "twice is no more")
		}
		end()
		end()
		assert.False(t, isRevoked(t, v, good.Access))
		end()
		_, err = v.Verify(t.Context(), good.Access, auth.Access)
		assert.ErrorIs(t, err, auth.ErrOutage, "one is missing here")
		time.Sleep(7 * time.Minute)
		good, err = s.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		assert.False(t, isRevoked(t, v, good.Access))
		end() // finds room
		end()
		assert.False(t, isRevoked(t, v, good.Access))

		require.NoError(t, feed.Publish(t.Context(), "", []byte("of a later version"), time.Minute))
		_, err = v.Verify(t.Context(), good.Access, auth.Access)
		assert.ErrorIs(t, err, auth.ErrOutage)
		time.Sleep(time.Minute)
		assert.False(t, isRevoked(t, v, good.Access))
	})
}

func TestARevocationThatFoundNoRoomWaitsForIt(t *testing.T) {
	for _, outage := range []rampart.Outage{rampart.FailClosed, rampart.FailOpen} {
		synctest.Test(t, func(t *testing.T) {
			feed := &line{}
			r := newRevocations(t, feed, func(c *auth.RevocationsConfig) { c.MaxEntries, c.Outage = 1, outage })
			_, v := newInstance(t, auth.NewMemoryStore(0), r)
			expires := time.Now().Add(time.Hour)
			lasting := token("jti", `"lasting"`, "exp", fmt.Sprint(expires.Unix()))
			other := token("jti", `"other"`, "exp", fmt.Sprint(expires.Unix()))
			verify := func(raw string) error {
				_, err := v.Verify(t.Context(), raw, auth.Access)
				return err
			}
			require.NoError(t, r.RevokeToken(t.Context(), "", "first", time.Now().Add(time.Minute)))
			if err := r.RevokeToken(t.Context(), "", "lasting", expires); outage == rampart.FailOpen {
				assert.ErrorIs(t, err, auth.ErrNoRoom, "success would be a lie")
				assert.NoError(t, verify(other))
			} else {
				assert.NoError(t, err, "every token is refused")
				assert.ErrorIs(t, verify(other), auth.ErrOutage)
			}
			time.Sleep(10 * time.Minute)
			assert.Equal(t, auth.TokenRevoked, reason(verify(lasting)))
			assert.NoError(t, verify(other), "nothing is missing any more")

			require.NoError(t, feed.Publish(t.Context(), "", []byte("subject 1 a"), time.Hour))
			for i := range 100 { // more than may wait
				require.NoError(t, feed.Publish(t.Context(), "", fmt.Appendf(nil, "subject 1 b%d", i), time.Hour))
			}
			time.Sleep(30 * time.Minute)
			if outage == rampart.FailClosed {
				assert.ErrorIs(t, verify(other), auth.ErrOutage)
			}
			time.Sleep(time.Hour)
			other = token("jti", `"other"`, "exp", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
			assert.NoError(t, verify(other))
			require.NoError(t, r.Close())
			assert.ErrorIs(t, verify(other), auth.ErrOutage)
		})
	}
}

func TestFailOpenTellsThatASubjectHasNoRoom(t *testing.T) {
	r := newRevocations(t, &line{}, func(c *auth.RevocationsConfig) { c.MaxEntries, c.Outage = 1, rampart.FailOpen })
	s, _ := newInstance(t, auth.NewMemoryStore(0), r)
	require.NoError(t, s.EndSubject(t.Context(), "1"))
	require.NoError(t, s.EndSubject(t.Context(), "1"))
	assert.ErrorIs(t, s.EndSubject(t.Context(), "2"), auth.ErrNoRoom)
	pair, err := s.Issue(t.Context(), "3", nil)
	require.NoError(t, err)
	require.NoError(t, s.EndSession(t.Context(), pair.Session))
	pair, err = s.Issue(t.Context(), "3", nil)
	require.NoError(t, err)
	assert.ErrorIs(t, s.EndSession(t.Context(), pair.Session), auth.ErrNoRoom)
	assert.NoError(t, s.EndAll(t.Context(), time.Time{}))
}

func TestTheEndOfAnAdoptedSessionIsRememberedAsLongAsItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		store := auth.NewMemoryStore(0)
		s, _ := newInstance(t, store, newRevocations(t, feed))
		began := time.Now()
		pair, err := s.Refresh(t.Context(), token("token_type", `"refresh"`, "iat", fmt.Sprint(began.Unix()), "exp", fmt.Sprint(began.Add(100*24*time.Hour).Unix())))
		require.NoError(t, err)
		row, err := store.Get(t.Context(), pair.Session)
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		require.NoError(t, s.EndSession(t.Context(), pair.Session))
		assert.WithinDuration(t, row.Ends, feed.expires[len(feed.expires)-1], 5*time.Minute)
		require.NoError(t, s.EndSession(t.Context(), "7"+strings.Repeat("A", len(pair.Session)-1)), "none is there")
		assert.WithinDuration(t, time.Now().Add(30*24*time.Hour), feed.expires[len(feed.expires)-1], 5*time.Minute)
	})
}

func TestClosedAndZeroRevocationsKnowNothing(t *testing.T) {
	feed := &line{}
	closed := newRevocations(t, feed)
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Close())
	require.NoError(t, feed.Publish(t.Context(), "", []byte("all 1"), time.Minute))
	for _, r := range []*auth.Revocations{closed, {}, nil} {
		_, err := r.Revoked(t.Context(), &auth.Token{})
		assert.ErrorIs(t, err, auth.ErrOutage)
		assert.NoError(t, r.Close())
	}
}

func TestRevocationsConfigMistakes(t *testing.T) {
	_, err := auth.NewRevocations(auth.RevocationsConfig{Feed: &line{}, MaxEntries: -1})
	assert.Equal(t, "Outage: missing\nMaxEntries: invalid: \"-1\"", conferrtest.Text(err))
	_, err = auth.NewRevocations(auth.RevocationsConfig{Outage: 3})
	assert.Equal(t, `Outage: invalid: "FallBack"`, conferrtest.Text(err))
}

func TestRevocationsUnderConcurrentUse(t *testing.T) {
	s, v := newInstance(t, auth.NewMemoryStore(0), newRevocations(t, nil))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				pair, err := s.Issue(t.Context(), "1", nil)
				assert.NoError(t, err)
				assert.False(t, isRevoked(t, v, pair.Access))
				assert.NoError(t, s.EndSession(t.Context(), pair.Session))
				assert.True(t, isRevoked(t, v, pair.Access))
			}
		})
	}
	wg.Wait()
}

func BenchmarkRevoked(b *testing.B) {
	r := newRevocations(b, &line{})
	s, v := newInstance(b, auth.NewMemoryStore(math.MaxInt32), r)
	for i := range 10_000 {
		pair, err := s.Issue(b.Context(), "1", nil)
		require.NoError(b, err)
		require.NoError(b, s.EndSession(b.Context(), pair.Session))
		if i == 0 {
			require.NoError(b, s.EndSubject(b.Context(), "2"))
		}
	}
	pair, err := s.Issue(b.Context(), "1", nil)
	require.NoError(b, err)
	for desc, raw := range map[string]string{"own": pair.Access, "foreign": token()} {
		tok, err := v.Verify(b.Context(), raw, auth.Access)
		require.NoError(b, err)
		b.Run(desc, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if revoked, err := r.Revoked(b.Context(), tok); revoked || err != nil {
					b.Fatal(revoked, err)
				}
			}
		})
	}
}
