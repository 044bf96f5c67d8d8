package redisx_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/authredis"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed/feedredis"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentredis"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/internal/redisx"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// Each fault happens to all users of Redis. What their scripts do is tested
// against a real server in internal/integration.

// user is a package that asks Redis.
type user struct {
	wait  time.Duration // how long it waits for an answer
	layer string        // in events; "": it reports none
	good  any           // a reply that it understands

	// open returns a call that sends one command, and one that writes if the first
	// reads.
	open func(t *testing.T, do redisx.DoFunc, log *slog.Logger) (ask, write func(context.Context) error)
}

func users() map[string]user {
	session := session.Session{ID: "a", Subject: "1"}
	return map[string]user{
		"authredis": {400 * time.Millisecond, "auth/authredis", []any{"1", "1", "2", "3", "4", "5", "0", "d"}, func(t *testing.T, do redisx.DoFunc, log *slog.Logger) (ask, write func(context.Context) error) {
			store, err := authredis.New(do, authredis.Config{Logger: log})
			require.NoError(t, err)
			return func(ctx context.Context) error {
				_, err := store.Get(ctx, "a")
				return err
			}, func(ctx context.Context) error { return store.Create(ctx, session) }
		}},
		"feedredis": {500 * time.Millisecond, "", []any{}, func(_ *testing.T, do redisx.DoFunc, _ *slog.Logger) (ask, write func(context.Context) error) {
			source := feedredis.New(do, "k")
			return func(ctx context.Context) error {
				_, err := source.Since(ctx, 0, 1)
				return err
			}, func(ctx context.Context) error { return source.Publish(ctx, "t", nil, time.Hour) }
		}},
		"incidentredis": {400 * time.Millisecond, "incident/incidentredis", []any{}, func(t *testing.T, do redisx.DoFunc, log *slog.Logger) (ask, write func(context.Context) error) {
			store, err := incidentredis.New(do, incidentredis.Config{Logger: log})
			require.NoError(t, err)
			return func(ctx context.Context) error {
				_, err := store.List(ctx, "", 1)
				return err
			}, func(ctx context.Context) error { return store.Finish(ctx, incident.Order{ID: "a"}) }
		}},
		"throttleredis": {400 * time.Millisecond, "throttle/throttleredis", doubles(1, 0, 9, 0, 0, 0), func(t *testing.T, do redisx.DoFunc, log *slog.Logger) (ask, write func(context.Context) error) {
			store, err := throttleredis.New(do, throttleredis.Config{Logger: log})
			require.NoError(t, err)
			item := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 10, Period: time.Hour}, Cost: 1}
			return func(ctx context.Context) error {
				_, err := store.Take(ctx, []throttle.Item{item}, make([]throttle.Result, 1))
				return err
			}, nil
		}},
	}
}

func doubles(numbers ...float64) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
	}
	return string(b)
}

// server is a Redis that answers as it is told.
type server struct {
	mu     sync.Mutex
	calls  [][]any
	answer redisx.DoFunc
}

func (s *server) do(ctx context.Context, args ...any) (any, error) {
	s.mu.Lock()
	s.calls = append(s.calls, args)
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, args...)
}

func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *server) set(answer redisx.DoFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func replying(reply any) redisx.DoFunc {
	return func(context.Context, ...any) (any, error) { return reply, nil }
}

func failing(err error) redisx.DoFunc {
	return func(context.Context, ...any) (any, error) { return nil, err }
}

// deaf is a client that knows no context.
func deaf(end <-chan struct{}) redisx.DoFunc {
	return func(context.Context, ...any) (any, error) {
		<-end
		return nil, errDown
	}
}

var errDown = errors.New("dial tcp: connection\nrefused")

// fixture is one user with a server of its own.
type fixture struct {
	user

	*server
	ask, write func() error
	askIn      func(context.Context) error
	log        *logtest.Records
}

// events asserts how many of each the log has by now.
func (f fixture) events(t *testing.T, unavailable, recovered int, msg ...any) {
	t.Helper()
	all := f.log.All(t)
	if f.layer == "" {
		unavailable, recovered = 0, 0
	}
	assert.Equal(t, unavailable, logtest.Total(all, rampart.SysBackendUnavailable), msg...)
	assert.Equal(t, recovered, logtest.Total(all, rampart.SysBackendRecovered), msg...)
	assert.Len(t, all, unavailable+recovered, msg...)
}

// each runs test for every user, on a clock of its own.
func each(t *testing.T, test func(t *testing.T, f fixture)) {
	t.Helper()
	for name, u := range users() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fixture{user: u, server: &server{answer: replying(u.good)}, log: new(logtest.Records)}
				ask, write := u.open(t, f.do, f.log.Logger())
				f.askIn, f.ask = ask, func() error { return ask(t.Context()) }
				if write != nil {
					f.write = func() error { return write(t.Context()) }
				}
				test(t, f)
			})
		})
	}
}

func TestAServerThatFailsIsLeftAloneAndTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		f.set(failing(errDown))
		for i := range 100 {
			assert.Equal(t, i < 5, errors.Is(f.ask(), errDown))
		}
		assert.Equal(t, 5, f.asked())
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
		for range 200 {
			time.Sleep(40 * time.Millisecond)
			require.Error(t, f.ask())
		}
		assert.LessOrEqual(t, f.asked(), 5+80, "ten times a second")
		assert.GreaterOrEqual(t, f.asked(), 5+60)
		f.events(t, 1, 0)
		for _, e := range f.log.All(t) {
			assert.Equal(t, []any{f.layer, "redis", `dial tcp: connection\nrefused`}, []any{e["layer"], e["backend"], e["error"]})
		}

		f.set(replying(f.good))
		time.Sleep(100 * time.Millisecond)
		for range 20 {
			require.NoError(t, f.ask())
		}
		f.events(t, 1, 1)
	})
}

func TestAServerThatFailsNowAndThenIsAskedOn(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		every := func(n int) {
			for i := range 300 {
				f.set(replying(f.good))
				if i%n == 0 {
					f.set(failing(errDown))
				}
				assert.False(t, errors.Is(f.ask(), redisx.ErrOpen) && n > 2)
			}
		}
		every(3)
		f.events(t, 0, 0)
		every(2)
		f.events(t, 1, 0)
	})
}

func TestAScriptThatFailsIsAnAnswerOfAServerThatWorks(t *testing.T) {
	for text, outage := range map[string]bool{
		"ERR invalid expire time in 'set' command script: 4fd2, on @user_script:62.":                             false,
		"ERR Error running script (call to f_4fd2): @user_script:62: @user_script: 62: ERR invalid expire time":  false,
		"WRONGTYPE Operation against a key holding the wrong kind of value script: 4fd2, on @user_script:4.":     false,
		"ERR Error running script (call to f_4fd2): @user_script:62: @user_script: 62: -OOM command not allowed": true,
		"OOM command not allowed when used memory > 'maxmemory'. script: 4fd2, on @user_script:62.":              true,
		"invalid expire time in 'set' command script: 4fd2, on @user_script:62.":                                 false, // as rueidis has it
		"ERR max number of clients reached":                     true,
		"LOADING Redis is loading the dataset in memory":        true,
		"READONLY You can't write against a read only replica.": true,
		"MOVED 3999 127.0.0.1:6381":                             true, // a client that knows no cluster
	} {
		each(t, func(t *testing.T, f fixture) {
			f.set(failing(errors.New(text)))
			for range 20 {
				require.Error(t, f.ask())
			}
			f.set(replying(f.good))
			assert.Equal(t, outage, errors.Is(f.ask(), redisx.ErrOpen), text) // no probe is due meanwhile
			if f.layer != "" {
				all := f.log.All(t)
				require.NotEmpty(t, all, text)
				assert.Equal(t, text, all[0]["error"])
			}
		})
	}
}

func TestWhatWasUnderWayDoesNotCloseTheCircuit(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		f.set(func(context.Context, ...any) (any, error) {
			time.Sleep(50 * time.Millisecond)
			return f.good, nil
		})
		slow := make(chan error)
		go func() { slow <- f.ask() }()
		synctest.Wait()
		f.set(failing(errDown))
		for range 5 {
			require.ErrorIs(t, f.ask(), errDown)
		}
		require.NoError(t, <-slow)
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
		f.events(t, 1, 0)
	})
}

func TestNoCallTakesLongerThanItsContextOrTheLimit(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		end := make(chan struct{})
		defer close(end)
		f.set(deaf(end))
		began := time.Now()
		require.ErrorIs(t, f.ask(), context.DeadlineExceeded)
		assert.Equal(t, f.wait, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began = time.Now()
		require.ErrorIs(t, f.askIn(ctx), context.DeadlineExceeded)
		assert.Equal(t, 50*time.Millisecond, time.Since(began))
	})
}

func TestAClientThatHangsForGoodHoldsTenGoroutinesASecondAtMost(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		end := make(chan struct{})
		defer close(end)
		f.set(deaf(end))
		for range 5 {
			require.ErrorIs(t, f.ask(), context.DeadlineExceeded)
		}
		for range 1000 {
			go func() { _ = f.ask() }()
			time.Sleep(time.Millisecond)
		}
		assert.LessOrEqual(t, f.asked(), 5+10)
	})
}

func TestWhoGivesUpSaysNothingAboutTheServer(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		f.set(func(ctx context.Context, _ ...any) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			require.ErrorIs(t, f.askIn(ctx), context.Canceled)
			synctest.Wait() // the call that was given up may still be on its way
			asked := f.asked()
			require.ErrorIs(t, f.askIn(ctx), context.Canceled)
			synctest.Wait()
			assert.Equal(t, asked, f.asked(), "nothing is sent for a context that has ended")
		}
		f.events(t, 0, 0)
	})
}

func TestAPanicOfTheClientIsAFailure(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		f.set(func(context.Context, ...any) (any, error) { panic("closed") })
		require.ErrorContains(t, f.ask(), "the client panicked: closed")
		f.set(func(context.Context, ...any) (any, error) {
			runtime.Goexit() // as a failing test in a client would
			return nil, nil
		})
		require.ErrorContains(t, f.ask(), "the client panicked")
		for range 3 {
			require.Error(t, f.ask())
		}
		require.ErrorIs(t, f.ask(), redisx.ErrOpen)
	})
}

func TestAScriptThatRedisDoesNotKnowIsSent(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		for range 20 { // is no failure
			f.set(func(_ context.Context, args ...any) (any, error) {
				if args[0] == "EVALSHA" {
					return nil, errors.New("NOSCRIPT No matching script. Please use EVAL.")
				}
				return f.good, nil
			})
			require.NoError(t, f.ask())
		}
		f.events(t, 0, 0)
		if f.calls[0][0] != "EVALSHA" {
			return // it runs no scripts
		}
		require.Len(t, f.calls, 40)
		for i := 0; i < 40; i += 2 {
			assert.Equal(t, "EVAL", f.calls[i+1][0])
			assert.Contains(t, f.calls[i+1][1], "redis.call")
			assert.Equal(t, f.calls[i][2:], f.calls[i+1][2:])
		}
	})
}

func TestAServerThatRefusesToWriteIsReadFrom(t *testing.T) {
	each(t, func(t *testing.T, f fixture) {
		if f.write == nil {
			return // throttle has one circuit: all of its scripts write
		}
		for range 100 { // much more often than reads
			f.set(failing(errors.New("OOM command not allowed when used memory > 'maxmemory'.")))
			for range 10 {
				require.Error(t, f.write())
			}
			f.set(replying(f.good))
			require.NoError(t, f.ask())
			time.Sleep(10 * time.Millisecond)
		}
		f.events(t, 1, 0, "the outage has not ended for that reads succeed")

		f.set(failing(errDown))
		for range 20 { // now reads fail, too
			require.Error(t, f.ask())
		}
		f.set(replying(f.good))
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, f.ask())
		f.events(t, 1, 0, "it is one outage: writes have not been seen to succeed")
		_ = f.write() // the reply may be none of its own
		f.events(t, 1, 1)
	})
}

func TestAMissingClientRefuses(t *testing.T) {
	var c *redisx.Client
	_, err := c.Do(t.Context(), "TIME")
	require.EqualError(t, err, "the store was not made by New")
	_, err = c.Run(t.Context(), redisx.NewScript("return 1"), 0)
	require.EqualError(t, err, "the store was not made by New")
}

func TestTexts(t *testing.T) {
	for desc, tt := range map[string]struct {
		reply any
		want  []string
		ok    bool
	}{
		"strings":      {[]any{"a", ""}, []string{"a", ""}, true},
		"bytes":        {[]any{[]byte("a"), "b"}, []string{"a", "b"}, true},
		"none":         {[]any{}, []string{}, true},
		"a number":     {[]any{int64(1), "b"}, nil, false},
		"a nil":        {[]any{"b", nil}, nil, false},
		"not a list":   {"a", nil, false},
		"no reply":     {nil, nil, false},
		"a list in it": {[]any{[]any{"a"}}, nil, false},
	} {
		t.Run(desc, func(t *testing.T) {
			got, ok := redisx.Strings(tt.reply)
			assert.Equal(t, tt.ok, ok)
			if ok {
				assert.Equal(t, tt.want, got)
			}
		})
	}
}
