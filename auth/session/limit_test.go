package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestALogInTooManyEndsTheOldestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) { c.MaxSessions = 2 })
		var pairs []*session.Pair
		issue := func(subject string) {
			pair, err := f.Issue(t.Context(), subject, nil)
			require.NoError(t, err)
			pairs = append(pairs, pair)
			time.Sleep(time.Second)
		}
		issue("1")
		issue("1")
		issue("2")
		_, err := f.Refresh(t.Context(), pairs[0].Refresh)
		require.NoError(t, err, "a refresh does not make a session younger, nor is it a log-in")
		issue("1")
		for i, want := range []bool{false, true, true, true} {
			_, err := f.v.Verify(t.Context(), pairs[i].Access, auth.Access)
			assert.Equal(t, want, err == nil, "session %d: %v", i, err)
		}
		assert.Contains(t, f.log.String(), "event=authn_token_revoked session="+pairs[0].Session)

		token := member(t, postJSON(t, f.IssueSlidingHandler(), goodLogin), "token")
		require.NotEmpty(t, token, "one with a sliding token counts, too")
		left, err := f.Sessions(t.Context(), "1")
		require.NoError(t, err)
		require.Len(t, left, 2)
		assert.Equal(t, pairs[3].Session, left[1].ID)
	})
}

func TestWithoutALimitSessionsLiveBesideEachOther(t *testing.T) {
	f := newFixture(t)
	for range 60 {
		_, err := f.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
	}
	left, err := f.Sessions(t.Context(), "1")
	require.NoError(t, err)
	assert.Len(t, left, 60)
}

// TestALimitForSubjectsWithManySessions: as where it is set for the first time.
func TestALimitForSubjectsWithManySessions(t *testing.T) {
	store := session.NewMemoryStore(0)
	before := newFixture(t, func(c *session.Config) { c.Sessions = store })
	for range 250 {
		_, err := before.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
	}
	after := newFixture(t, func(c *session.Config) { c.Sessions, c.MaxSessions = store, 3 })
	pair, err := after.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	left, err := after.Sessions(t.Context(), "1")
	require.NoError(t, err)
	require.Len(t, left, 3)
	assert.True(t, slices.ContainsFunc(left, func(s session.Session) bool { return s.ID == pair.Session }))
}

// oneMoment is a store whose log-ins all begin at once, and whose list is in no order.
type oneMoment struct {
	*session.MemoryStore
	at time.Time
}

func (s oneMoment) Now(context.Context) (time.Time, error) { return s.at, nil }

func TestConcurrentLogInsLeaveAsManySessionsAsTheyMay(t *testing.T) {
	for round := range 30 {
		store := session.NewMemoryStore(0)
		f := newFixture(t, func(c *session.Config) {
			c.MaxSessions, c.Sessions = 3, store
			if round%2 == 0 {
				c.Sessions = oneMoment{store, time.Now()}
			}
		})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := f.Issue(t.Context(), "1", nil)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		left, err := store.List(t.Context(), "1", 100)
		require.NoError(t, err)
		assert.Len(t, left, 3)
	}
}

// listlessStore fails where it is told to.
type listlessStore struct {
	*session.MemoryStore
	list, revoke error
	lists        int
}

func (b *listlessStore) List(ctx context.Context, subject string, limit int) ([]session.Session, error) {
	b.lists++
	if b.list != nil {
		return nil, b.list
	}
	return b.MemoryStore.List(ctx, subject, limit)
}

func (b *listlessStore) Revoke(ctx context.Context, id string) (bool, error) {
	if b.revoke != nil {
		return false, b.revoke
	}
	return b.MemoryStore.Revoke(ctx, id)
}

func TestALimitThatCannotBeKeptFailsTheLogIn(t *testing.T) {
	down := errors.New("down")
	store := &listlessStore{MemoryStore: session.NewMemoryStore(0)}
	f := newFixture(t, func(c *session.Config) { c.Sessions, c.MaxSessions = store, 1 })
	_, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	store.list = down
	_, err = f.Issue(t.Context(), "1", nil)
	require.ErrorIs(t, err, down)
	store.list, store.revoke = nil, down
	_, err = f.Issue(t.Context(), "1", nil)
	require.ErrorIs(t, err, down)
	store.revoke = nil
	_, err = f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	left, err := f.Sessions(t.Context(), "1")
	require.NoError(t, err)
	assert.Len(t, left, 1, "the next log-in makes up for it")
}

func TestALimitAsksNobodyUnlessItIsSet(t *testing.T) {
	store := &listlessStore{MemoryStore: session.NewMemoryStore(0)}
	f := newFixture(t, func(c *session.Config) { c.Sessions = store })
	_, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	assert.Zero(t, store.lists)
}

func TestNewRefusesLimitsAndAnswersThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		change func(*session.Config)
		want   string
	}{
		{"no limit", func(c *session.Config) { c.MaxSessions = 0 }, ""},
		{"the largest limit", func(c *session.Config) { c.MaxSessions = 50 }, ""},
		{"a larger one", func(c *session.Config) { c.MaxSessions = 51 }, `MaxSessions: invalid: "51"`},
		{"a negative one", func(c *session.Config) { c.MaxSessions = -1 }, `MaxSessions: invalid: "-1"`},
		{"unknown answers", func(c *session.Config) { c.Style = "rails" }, `Style: invalid: "rails"`},
		{"names twice", func(c *session.Config) { c.Style, c.LegacyNames = session.StyleOAuth, true }, "LegacyNames: pointless"},
	} {
		cfg := session.Simplejwt([]byte(secret))
		cfg.Users, cfg.Sessions = &people{}, session.NewMemoryStore(0)
		tt.change(&cfg)
		_, err := session.New(cfg)
		assert.Equal(t, tt.want, conferrtest.Text(err), tt.desc)
	}
}
