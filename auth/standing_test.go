package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/logtest"
)

// accounts is a table of users whose database can fail or hang.
type accounts struct {
	asked        atomic.Int32
	barred       atomic.Bool
	fails, hangs atomic.Bool
	takes        time.Duration
}

func (a *accounts) active(ctx context.Context, subject string) (bool, error) {
	a.asked.Add(1)
	time.Sleep(a.takes)
	switch {
	case a.hangs.Load():
		<-ctx.Done()
		return false, ctx.Err()
	case a.fails.Load():
		return false, errors.New("connection refused")
	}
	return subject != "nobody" && !a.barred.Load(), nil
}

func newStanding(t *testing.T, a *accounts, log *logtest.Records, change ...func(*auth.StandingConfig)) *auth.Standing {
	t.Helper()
	cfg := auth.StandingConfig{Active: a.active, Logger: log.Logger()}
	for _, f := range change {
		f(&cfg)
	}
	s, err := auth.NewStanding(cfg)
	require.NoError(t, err)
	return s
}

func TestWhoIsBarredIsServedForTenSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a accounts
		s := newStanding(t, &a, &logtest.Records{})
		is := func(want bool, subject string) {
			t.Helper()
			got, err := s.Active(t.Context(), subject)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
		is(true, "alice")
		is(false, "nobody")
		is(false, "nobody")
		assert.EqualValues(t, 2, a.asked.Load(), "what is known is not asked")
		a.barred.Store(true)
		time.Sleep(10*time.Second - 1)
		is(true, "alice")
		time.Sleep(time.Nanosecond)
		is(false, "alice")
		a.barred.Store(false)
		is(false, "alice")
		time.Sleep(10 * time.Second)
		is(true, "alice")
	})
}

func TestWhileTheDatabaseIsDownThoseWhoAreKnownAreServed(t *testing.T) {
	for _, hang := range []bool{false, true} {
		t.Run(fmt.Sprintf("it hangs: %t", hang), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a accounts
				var log logtest.Records
				s := newStanding(t, &a, &log)
				_, err := s.Active(t.Context(), "alice")
				require.NoError(t, err)
				time.Sleep(time.Minute)
				a.hangs.Store(hang)
				a.fails.Store(!hang)
				began := time.Now()
				for range 100 {
					active, err := s.Active(t.Context(), "alice")
					require.NoError(t, err)
					assert.True(t, active)
				}
				assert.LessOrEqual(t, time.Since(began), time.Second)
				assert.EqualValues(t, 2, a.asked.Load(), "a database that is down is asked once a second")
				_, err = s.Active(t.Context(), "bob")
				require.Error(t, err)
				assert.EqualValues(t, 2, a.asked.Load())
				time.Sleep(time.Second)
				_, err = s.Active(t.Context(), "bob")
				require.Error(t, err)
				assert.EqualValues(t, 3, a.asked.Load())

				time.Sleep(time.Hour)
				for range 2 { // asked, and not
					_, err = s.Active(t.Context(), "alice")
					require.Error(t, err, "nothing of late is known")
				}
				assert.Equal(t, 1, logtest.Total(log.All(t), "sys_backend_unavailable"))
				a.hangs.Store(false)
				a.fails.Store(false)
				time.Sleep(time.Second)
				active, err := s.Active(t.Context(), "bob")
				require.NoError(t, err)
				assert.True(t, active)
				assert.Equal(t, 1, logtest.Total(log.All(t), "sys_backend_recovered"))
			})
		})
	}
}

func TestOfManyRequestsOfOneSubjectOneAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := accounts{takes: 100 * time.Millisecond}
		s := newStanding(t, &a, &logtest.Records{})
		var wg sync.WaitGroup
		for range 50 { // all of them new
			wg.Go(func() {
				active, err := s.Active(t.Context(), "alice")
				assert.NoError(t, err)
				assert.True(t, active)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, a.asked.Load())
		time.Sleep(10 * time.Second)
		var slow atomic.Int32
		for range 50 {
			wg.Go(func() {
				began := time.Now()
				_, err := s.Active(t.Context(), "alice")
				assert.NoError(t, err)
				if time.Since(began) > 0 {
					slow.Add(1)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 2, a.asked.Load())
		assert.EqualValues(t, 1, slow.Load())
		time.Sleep(time.Minute)
		a.barred.Store(true)
		for range 2 {
			wg.Go(func() {
				active, err := s.Active(t.Context(), "alice")
				assert.NoError(t, err)
				assert.False(t, active, "an answer that is old is no answer")
			})
		}
		wg.Wait()
	})
}

func TestWhoWaitsForAnAnswerIsNotTiedToWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := accounts{takes: 100 * time.Millisecond}
		s := newStanding(t, &a, &logtest.Records{})
		leaving, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			a.hangs.Store(true)
			_, err := s.Active(leaving, "alice")
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				active, err := s.Active(t.Context(), "alice")
				assert.NoError(t, err)
				assert.True(t, active)
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := s.Active(impatient, "alice")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(200 * time.Millisecond)
		a.hangs.Store(false)
		leave()
		wg.Wait()
		assert.EqualValues(t, 2, a.asked.Load(), "another one asks")
	})
}

func TestACallerThatLeavesIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a accounts
		var log logtest.Records
		s := newStanding(t, &a, &log)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a.hangs.Store(true)
		_, err := s.Active(ctx, "alice")
		require.ErrorIs(t, err, context.Canceled)
		a.hangs.Store(false)
		active, err := s.Active(t.Context(), "alice")
		require.NoError(t, err)
		assert.True(t, active)
		assert.Zero(t, logtest.Total(log.All(t), "sys_backend_unavailable"))
	})
}

func TestAStandingRemembersABoundedNumberOfSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a accounts
		s := newStanding(t, &a, &logtest.Records{}, func(c *auth.StandingConfig) { c.MaxSubjects = 10 })
		for i := range 100 {
			_, err := s.Active(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		a.asked.Store(0)
		for i := range 100 {
			_, err := s.Active(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		assert.GreaterOrEqual(t, a.asked.Load(), int32(90))
	})
}

func TestTheZeroStandingKnowsNobody(t *testing.T) {
	for _, s := range []*auth.Standing{nil, {}} {
		active, err := s.Active(t.Context(), "alice")
		require.Error(t, err)
		assert.False(t, active)
	}
	_, err := auth.NewStanding(auth.StandingConfig{Fresh: -1, Stale: -2, Timeout: -1, MaxSubjects: -1})
	assert.EqualError(t, err, `auth.StandingConfig.Active: missing: give a function that tells whether a subject may act
auth.StandingConfig.Fresh: invalid "-1ns": use a positive time; 0 means 10s
auth.StandingConfig.Stale: invalid "-2ns": use at least Fresh; 0 means 1h
auth.StandingConfig.Timeout: invalid "-1ns": use a positive time; 0 means 1s
auth.StandingConfig.MaxSubjects: invalid "-1": use 1 or more; 0 means 100000`)
}
