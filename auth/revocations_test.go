package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
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
func newInstance(tb testing.TB, store *session.MemoryStore, r *auth.Revocations) (*session.Service, *auth.Verifier) {
	tb.Helper()
	tokens := signedBy(newKeys(tb, newKey(tb)))
	tokens.Revoked, tokens.Logger = r.Revoked, slog.New(slog.DiscardHandler)
	v, err := auth.NewVerifier(tokens)
	require.NoError(tb, err)
	return newService(tb, tokens, func(c *session.Config) { c.Sessions, c.Revocations, c.Grace = store, r, -1 }), v
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
				store := session.NewMemoryStore(0)
				r := newRevocations(t, feed)
				a, there := newInstance(t, store, r)
				if feed != nil {
					_, there = newInstance(t, store, newRevocations(t, feed))
				}
				issue := func(subject string) *session.Pair {
					pair, err := a.Issue(t.Context(), subject, nil)
					require.NoError(t, err)
					require.False(t, isRevoked(t, there, pair.Access))
					time.Sleep(time.Microsecond)
					return pair
				}
				first, second, other := issue("1"), issue("1"), issue("2")

				require.NoError(t, errOf(a.EndSession(t.Context(), first.Session)))
				require.NoError(t, errOf(a.EndSession(t.Context(), "")))
				require.NoError(t, errOf(a.EndSession(t.Context(), "of another maker")))
				assert.True(t, isRevoked(t, there, first.Access))
				assert.False(t, isRevoked(t, there, second.Access))

				require.NoError(t, errOf(a.EndSubject(t.Context(), "1")))
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
		store := session.NewMemoryStore(0)
		s, v := newInstance(t, store, newRevocations(t, &line{}))
		refresh := token("token_type", `"refresh"`)
		pair, err := s.Refresh(t.Context(), refresh) // adopted
		require.NoError(t, err)
		require.False(t, isRevoked(t, v, pair.Access))
		_, err = v.Verify(t.Context(), refresh, auth.Refresh)
		require.NoError(t, err)
		sid := token("token_type", `"refresh"`, "jti", `"with a sid"`, "sid", `"08a5019c"`)
		other, err := s.Refresh(t.Context(), sid)
		require.NoError(t, err)
		require.NoError(t, errOf(s.EndSession(t.Context(), other.Session)))
		_, err = v.Verify(t.Context(), sid, auth.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err), "by its jti, whatever its sid")
		require.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)))
		assert.True(t, isRevoked(t, v, pair.Access), "of the session that it began")
		_, err = v.Verify(t.Context(), refresh, auth.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err), "by its jti")
		assert.False(t, isRevoked(t, v, token("jti", `"other"`)))

		at := func(d time.Duration) string {
			return token("jti", `"other"`, "iat", fmt.Sprint(time.Now().Add(d).Unix()))
		}
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
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
			store, r := session.NewMemoryStore(0), newRevocations(t, nil)
			tokens := signedBy(newKeys(t, newKey(t)))
			tokens.Revoked, tokens.Leeway = r.Revoked, 10*time.Second
			tokens.Now = func() time.Time { return time.Now().Add(skew) }
			v, err := auth.NewVerifier(tokens)
			require.NoError(t, err)
			s := newService(t, tokens, func(c *session.Config) { c.Sessions, c.Revocations = store, r })
			began := fmt.Sprint(time.Now().Unix())
			issue := func(jti string) (own, adopted, slid string) {
				pair, err := s.Issue(t.Context(), "1", nil)
				require.NoError(t, err)
				other, err := s.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", `"r`+jti+`"`, "iat", began))
				require.NoError(t, err)
				again, err := s.Refresh(t.Context(), other.Refresh)
				require.NoError(t, err)
				return pair.Access, other.Access, again.Access
			}
			time.Sleep(time.Second)
			own, adopted, renewed := issue("1")
			for _, raw := range []string{own, adopted, renewed} {
				require.False(t, isRevoked(t, v, raw))
			}
			require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
			for _, raw := range []string{own, adopted, renewed} {
				assert.True(t, isRevoked(t, v, raw))
			}
			time.Sleep(time.Second)
			began = fmt.Sprint(time.Now().Unix())
			own, adopted, renewed = issue("2")
			for _, raw := range []string{own, adopted, renewed} {
				assert.False(t, isRevoked(t, v, raw), "a log-in after the end")
			}
		})
	}
}

func TestTokensOfAnotherIssuerAreJudgedByTheirOwnTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newInstance(t, session.NewMemoryStore(0), newRevocations(t, nil))
		now, before := fmt.Sprint(time.Now().Add(time.Second).Unix()), fmt.Sprint(time.Now().Add(-time.Minute).Unix())
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
		require.NoError(t, errOf(s.EndSession(t.Context(), "5")))
		time.Sleep(2 * time.Second)
		later := fmt.Sprint(time.Now().Unix())
		for desc, raw := range map[string]string{
			"iat before the end":             token("iat", before),
			"iat in the second of the end":   token("iat", now),
			"auth_time before, iat after it": token("iat", later, "auth_time", before),
			"auth_time with a fraction":      token("iat", later, "auth_time", now+".25"),
			"auth_time long after iat":       token("iat", before, "auth_time", "4102444800"),
			"auth_time without iat":          token("iat", "", "auth_time", "4102444800"),
		} {
			assert.True(t, isRevoked(t, v, raw), desc)
		}
		for desc, raw := range map[string]string{
			"iat after the end":                token("iat", later),
			"auth_time after the end":          token("iat", later, "auth_time", later),
			"an unknown auth_time":             token("iat", later, "auth_time", "0"),
			"an auth_time that is no number":   token("iat", later, "auth_time", `"yesterday"`),
			"a sid that names no session":      token("iat", later, "sid", `"08a5019c-17e1-4977-8f42-65a12843ea02"`),
			"a sid that is no string":          token("iat", later, "sid", "5"),
			"a sid in the form of one of ours": token("iat", later, "sid", `"`+strings.Repeat("A", 26)+`"`),
		} {
			assert.False(t, isRevoked(t, v, raw), desc)
		}
	})
}

func TestTheOutagePolicyDecidesWhileTheFeedBringsNothing(t *testing.T) {
	feed := &line{}
	store := session.NewMemoryStore(0)
	s, closed := newInstance(t, store, newRevocations(t, feed))
	_, open := newInstance(t, store, newRevocations(t, feed, func(c *auth.RevocationsConfig) { c.Outage = rampart.FailOpen }))
	good, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	bad, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	require.NoError(t, errOf(s.EndSession(t.Context(), bad.Session)))
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
	store := session.NewMemoryStore(0)
	s, _ := newInstance(t, store, newRevocations(t, feed))
	pair, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	feed.err = errors.New("connection refused")
	_, err = s.Refresh(t.Context(), pair.Refresh)
	assert.ErrorIs(t, err, feed.err)
	assert.ErrorIs(t, errOf(s.EndSession(t.Context(), pair.Session)), feed.err)
	assert.ErrorIs(t, errOf(s.EndSubject(t.Context(), "1")), feed.err)
	assert.ErrorIs(t, s.EndAll(t.Context(), time.Time{}), feed.err)
	row, err := store.Get(t.Context(), pair.Session)
	require.NoError(t, err)
	assert.True(t, row.Revoked, "the store has it all the same")

	_, there := newInstance(t, store, newRevocations(t, feed))
	assert.False(t, isRevoked(t, there, pair.Access), "nobody was told")
	_, err = s.Refresh(t.Context(), pair.Refresh)
	assert.ErrorIs(t, err, feed.err, "the client tries again")
	feed.err = nil
	for range 2 {
		_, err = s.Refresh(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))
	}
	assert.True(t, isRevoked(t, there, pair.Access))
	assert.Len(t, feed.changes, 1, "told once")
}

func TestRevocationsAreBoundedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		r := newRevocations(t, feed, func(c *auth.RevocationsConfig) { c.MaxEntries = 2 })
		s, v := newInstance(t, session.NewMemoryStore(0), r)
		good, err := s.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		end := func() {
			pair, err := s.Issue(t.Context(), "2", nil)
			require.NoError(t, err)
			require.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)))
			require.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)), "twice is no more")
		}
		end()
		end()
		assert.False(t, isRevoked(t, v, good.Access))
		end()
		_, err = v.Verify(t.Context(), good.Access, auth.Access)
		assert.ErrorIs(t, err, auth.ErrOutage, "one is missing here")
		time.Sleep(12 * time.Minute)
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
			_, v := newInstance(t, session.NewMemoryStore(0), r)
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
	s, _ := newInstance(t, session.NewMemoryStore(0), r)
	require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
	require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
	assert.ErrorIs(t, errOf(s.EndSubject(t.Context(), "2")), auth.ErrNoRoom)
	pair, err := s.Issue(t.Context(), "3", nil)
	require.NoError(t, err)
	require.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)))
	pair, err = s.Issue(t.Context(), "3", nil)
	require.NoError(t, err)
	assert.ErrorIs(t, errOf(s.EndSession(t.Context(), pair.Session)), auth.ErrNoRoom)
	assert.NoError(t, s.EndAll(t.Context(), time.Time{}))
}

func TestTheEndOfAnAdoptedSessionIsRememberedAsLongAsItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		store := session.NewMemoryStore(0)
		s, _ := newInstance(t, store, newRevocations(t, feed))
		began := time.Now()
		pair, err := s.Refresh(t.Context(), token("token_type", `"refresh"`, "iat", fmt.Sprint(began.Unix()), "exp", fmt.Sprint(began.Add(100*24*time.Hour).Unix())))
		require.NoError(t, err)
		row, err := store.Get(t.Context(), pair.Session)
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		require.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)))
		assert.WithinDuration(t, row.Ends, feed.expires[len(feed.expires)-1], 7*time.Minute)
		require.NoError(t, errOf(s.EndSession(t.Context(), "0"+strings.Repeat("A", len(pair.Session)-1))), "none is there")
		assert.WithinDuration(t, time.Now().Add(30*24*time.Hour), feed.expires[len(feed.expires)-1], 7*time.Minute)
	})
}

func TestOneForeignTokenIsRevokedOnAllInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		here, there := newRevocations(t, feed), newRevocations(t, feed)
		v := newVerifier(t, func(c *auth.VerifierConfig) { c.Revoked = there.Revoked })
		raw, other := token("jti", `"one"`), token("jti", `"other"`)
		stolen, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)

		require.NoError(t, here.RevokeToken(t.Context(), stolen.Issuer(), stolen.ID(), stolen.Expires()))
		_, err = v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = v.Verify(t.Context(), other, auth.Access)
		assert.NoError(t, err, "another token of the subject")
		_, err = v.Verify(t.Context(), token("jti", `"one"`, "iss", `"elsewhere"`), auth.Access)
		assert.NoError(t, err, "another issuer's")

		// It is remembered for as long as anybody may take it, and no longer.
		assert.WithinDuration(t, stolen.Expires().Add(6*time.Minute), feed.expires[0], time.Second)
		require.NoError(t, here.RevokeToken(t.Context(), "", "long gone", time.Now().Add(-time.Hour)))
		assert.Len(t, feed.changes, 1)
		require.NoError(t, here.RevokeToken(t.Context(), "", "for good", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)))
		assert.Len(t, feed.changes, 2)
	})
}

func TestRevokeTokenRefusesWhatItCannotRevoke(t *testing.T) {
	r := newRevocations(t, &line{})
	s, v := newInstance(t, session.NewMemoryStore(0), r)
	pair, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	own, err := v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	refresh, err := v.Verify(t.Context(), pair.Refresh, auth.Refresh)
	require.NoError(t, err)
	assert.ErrorContains(t, r.RevokeToken(t.Context(), "", refresh.ID(), own.Expires()), "of a session")
	assert.ErrorContains(t, r.RevokeToken(t.Context(), "", "", own.Expires()), "without a jti")
	down := errors.New("down")
	assert.ErrorIs(t, newRevocations(t, &line{err: down}).RevokeToken(t.Context(), "", "a", own.Expires()), down)
	require.NoError(t, r.Close())
	assert.ErrorIs(t, r.RevokeToken(t.Context(), "", "a", own.Expires()), auth.ErrOutage)
	assert.ErrorIs(t, new(auth.Revocations).RevokeToken(t.Context(), "", "a", own.Expires()), auth.ErrOutage)
	assert.ErrorContains(t, r.RevokeSession(t.Context(), "", own.Expires()), "no session")
	assert.ErrorContains(t, r.RevokeSubject(t.Context(), "", time.Now(), own.Expires()), "no subject")
}

func TestARevocationNeedsTheTimeUntilWhenItsTokensLive(t *testing.T) {
	r := newRevocations(t, &line{})
	for desc, err := range map[string]error{
		"RevokeToken":   r.RevokeToken(t.Context(), "", "a", time.Time{}),
		"RevokeSession": r.RevokeSession(t.Context(), "a", time.Time{}),
		"RevokeSubject": r.RevokeSubject(t.Context(), "1", time.Now(), time.Time{}),
		"RevokeBefore":  r.RevokeBefore(t.Context(), time.Now(), time.Time{}),
	} {
		assert.ErrorContains(t, err, "until when", desc)
	}
}

func TestOneTokenOfASessionIsRevokedAndTheOthersGoOn(t *testing.T) {
	r := newRevocations(t, &line{})
	s, v := newInstance(t, session.NewMemoryStore(0), r)
	pair, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	own, err := v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	require.NoError(t, r.RevokeToken(t.Context(), own.Issuer(), own.ID(), own.Expires()))
	assert.True(t, isRevoked(t, v, pair.Access))
	next, err := s.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	assert.False(t, isRevoked(t, v, next.Access))
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
	r := newRevocations(t, nil)
	s, v := newInstance(t, session.NewMemoryStore(0), r)
	foreign, err := v.Verify(t.Context(), token(), auth.Access)
	require.NoError(t, err)
	require.NoError(t, r.RevokeToken(t.Context(), "", "another", time.Now().Add(time.Hour)))
	var wg, readers sync.WaitGroup
	var done atomic.Bool
	for range 2 {
		readers.Go(func() { // takes no lock but that of the set
			for !done.Load() {
				revoked, err := r.Revoked(t.Context(), foreign)
				assert.False(t, revoked)
				assert.NoError(t, err)
			}
		})
	}
	defer func() {
		done.Store(true)
		readers.Wait()
	}()
	for range 4 {
		wg.Go(func() {
			for range 50 {
				pair, err := s.Issue(t.Context(), "1", nil)
				assert.NoError(t, err)
				assert.False(t, isRevoked(t, v, pair.Access))
				assert.NoError(t, errOf(s.EndSession(t.Context(), pair.Session)))
				assert.True(t, isRevoked(t, v, pair.Access))
			}
		})
	}
	wg.Wait()
}

func BenchmarkRevoked(b *testing.B) {
	r := newRevocations(b, &line{})
	s, v := newInstance(b, session.NewMemoryStore(math.MaxInt32), r)
	for i := range 10_000 {
		pair, err := s.Issue(b.Context(), "1", nil)
		require.NoError(b, err)
		require.NoError(b, errOf(s.EndSession(b.Context(), pair.Session)))
		if i == 0 {
			require.NoError(b, errOf(s.EndSubject(b.Context(), "2")))
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
