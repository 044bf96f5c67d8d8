package redisx_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/internal/redisx"
	"github.com/ecolaura/rampart/throttle"
)

func busy(err error) bool { return errors.Is(err, redisx.ErrBusy) || errors.Is(err, throttle.ErrBusy) }

// stuck lets a command hang until its context ends.
func stuck(ctx context.Context, _ ...any) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// hang begins n calls in ctx, whose commands hang, and returns their outcomes.
func (f fixture) hang(ctx context.Context, n int, do redisx.DoFunc) <-chan error {
	f.set(do)
	errs := make(chan error, n)
	for range n {
		go func() { errs <- f.askIn(ctx) }()
	}
	synctest.Wait()
	f.set(replying(f.good))
	return errs
}

func TestACallThatWaitsWhileOthersAreAnsweredIsBusyAfterASecondAndNoFailure(t *testing.T) {
	for desc, answer := range map[string]error{
		"with a reply":         nil,
		"script not known":     errors.New("NOSCRIPT No matching script."),
		"a script that failed": errors.New("WRONGTYPE Operation script: 4fd2, on @user_script:4."),
	} {
		t.Run(desc, func(t *testing.T) {
			each(t, func(t *testing.T, f fixture) {
				began := time.Now()
				errs := f.hang(t.Context(), 20, stuck)
				if answer != nil {
					f.set(failing(answer))
				}
				for len(errs) == 0 {
					if err := f.ask(); answer == nil {
						require.NoError(t, err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				assert.InDelta(t, time.Second, time.Since(began), float64(10*time.Millisecond))
				synctest.Wait()
				require.Len(t, errs, 20)
				for range 20 {
					err := <-errs
					assert.True(t, busy(err), err)
					assert.Equal(t, f.layer == "throttle/throttleredis", errors.Is(err, throttle.ErrBusy), "by which a Limiter knows")
				}
				f.set(replying(f.good))
				require.NoError(t, f.ask())
				assert.Zero(t, logtest.Total(f.log.All(t), rampart.SysBackendRecovered))
			})
		})
	}
}

func TestACallIsAnsweredLateWhileOthersAre(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		errs := f.hang(t.Context(), 1, func(ctx context.Context, _ ...any) (any, error) {
			time.Sleep(900 * time.Millisecond)
			return f.good, ctx.Err()
		})
		for len(errs) == 0 {
			require.NoError(t, f.ask())
			time.Sleep(50 * time.Millisecond)
		}
		require.NoError(t, <-errs)
	})
}

func TestAServerThatFallsSilentIsNoticedByThoseWhoWait(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		errs := f.hang(t.Context(), 20, stuck)
		time.Sleep(f.wait/2 + time.Millisecond)
		require.NoError(t, f.ask())
		silent := time.Now()
		require.ErrorIs(t, <-errs, context.DeadlineExceeded)
		assert.InDelta(t, f.wait, time.Since(silent), float64(f.wait/5))
		synctest.Wait()
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
		f.events(t, 1, 0)
	})
}

func TestAnAnswerThatCameTooLateForItsCallShowsThatTheServerLives(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		errs := f.hang(t.Context(), 1, func(context.Context, ...any) (any, error) {
			time.Sleep(f.wait * 3 / 2)
			return f.good, nil
		})
		require.ErrorIs(t, <-errs, context.DeadlineExceeded)
		f.set(stuck)
		began := time.Now()
		require.ErrorIs(t, f.ask(), context.DeadlineExceeded)
		assert.Greater(t, time.Since(began), f.wait*5/4)
	})
}

func TestALimitOfTheCallerOrTheClientIsNoFailureWhileOthersAreAnswered(t *testing.T) {
	for desc, fault := range map[string]redisx.DoFunc{
		"of the caller": stuck,
		"of the client": func(context.Context, ...any) (any, error) {
			time.Sleep(40 * time.Millisecond)
			return nil, os.ErrDeadlineExceeded // as a connection has it
		},
	} {
		for answered, what := range map[bool]string{true: "others are answered", false: "nobody is"} {
			t.Run(desc+", "+what, func(t *testing.T) {
				each(t, func(t *testing.T, f fixture) {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					defer cancel()
					errs := f.hang(ctx, 20, fault)
					time.Sleep(10 * time.Millisecond)
					if answered {
						require.NoError(t, f.ask())
					}
					for range 20 {
						err := <-errs
						assert.Equal(t, answered, busy(err), err)
					}
					assert.Equal(t, !answered, errors.Is(f.ask(), redisx.ErrOpen))
				})
			})
		}
	}
}

func TestAnErrorOfTheServerIsAFailureThoughOthersAreAnswered(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		errs := f.hang(t.Context(), 20, func(context.Context, ...any) (any, error) {
			time.Sleep(20 * time.Millisecond)
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} // not for a limit
		})
		require.NoError(t, f.ask())
		for range 20 {
			require.ErrorIs(t, <-errs, syscall.ECONNREFUSED)
		}
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
	})
}

func TestAClientThatHangsIsLeftWithABoundedNumberOfCommands(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		end := make(chan struct{})
		errs := f.hang(t.Context(), 2000, deaf(end))
		assert.Equal(t, 512, f.asked())
		for range 2000 {
			require.ErrorIs(t, <-errs, context.DeadlineExceeded)
		}
		assert.Equal(t, 512, f.asked())
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, f.ask(), "who probes does not wait in line")
		f.events(t, 1, 1)
		close(end)
		synctest.Wait()
		for range 2000 {
			require.NoError(t, f.ask())
		}
	})
}

func TestWhoProbesAServerThatHangsWaitsNoLongerThanUntilTheNextProbe(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		f.set(failing(errDown))
		for range 5 {
			require.ErrorIs(t, f.ask(), errDown)
		}
		f.set(func(context.Context, ...any) (any, error) {
			time.Sleep(f.wait * 3 / 4) // far away, or with little to run on
			return f.good, nil
		})
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
		assert.Equal(t, 100*time.Millisecond, time.Since(began))
		time.Sleep(f.wait*3/4 - 100*time.Millisecond)
		synctest.Wait()
		require.NoError(t, f.ask(), "its answer came all the same")
		f.events(t, 1, 1)
	})
}

func TestPatience(t *testing.T) {
	const ms = time.Millisecond
	const step = 200 * ms
	for desc, tt := range map[string]struct {
		steps     []time.Duration // when they end
		answer    int             // is counted after so many steps; 0: none is
		exhausted bool            // by the last of them
		end       time.Duration   // when Ours is asked, after all steps
		ours      bool
	}{
		"a silent server":                     {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step, 5 * step}, 0, true, 5 * step, false},
		"a silent server, not for long":       {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step}, 0, false, 4 * step, false},
		"steps a little late":                 {[]time.Duration{225 * ms, 450 * ms, 675 * ms, 900 * ms, 1125 * ms}, 0, true, 1125 * ms, false},
		"a step too late does not count":      {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step, 5*step + 26*ms}, 0, false, 6 * step, false},
		"nor does it start anew":              {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step, 7 * step, 8 * step}, 0, true, 8 * step, false},
		"it did not run for most of the time": {[]time.Duration{1 * step, 4 * step, 7 * step}, 0, false, 7 * step, true},
		"it has not run since the last step":  {[]time.Duration{1 * step}, 0, false, 4*step + 1, true},
		"it has run half of the time":         {[]time.Duration{1 * step}, 0, false, 4 * step, false},
		"an answer to others":                 {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step, 5 * step}, 2, false, 5 * step, true},
		"silence after an answer":             {[]time.Duration{1 * step, 2 * step, 3 * step, 4 * step, 5 * step, 6 * step, 7 * step}, 1, true, 7 * step, true},
	} {
		t.Run(desc, func(t *testing.T) {
			p, exhausted := redisx.NewPatience(), false
			for i, at := range tt.steps {
				require.False(t, exhausted, i)
				exhausted = p.Exhausted(at)
				if i+1 == tt.answer {
					p.Answer()
				}
			}
			assert.Equal(t, tt.exhausted, exhausted)
			assert.Equal(t, tt.ours, p.Ours(tt.end))
		})
	}
}
