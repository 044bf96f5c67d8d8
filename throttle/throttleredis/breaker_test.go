package throttleredis_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

func TestAServerThatFailsIsLeftAloneAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, log := open(t, throttleredis.Config{})
		srv.answer = failing(errDown)
		for range 100 {
			_, _, err := take(t, store, item("p", "k", 1))
			require.Error(t, err)
		}
		assert.Equal(t, 5, srv.asked())
		_, _, err := take(t, store, item("p", "k", 1))
		require.ErrorIs(t, err, throttleredis.ErrOpen)
		require.ErrorIs(t, store.Reset(t.Context(), "p", "k"), throttleredis.ErrOpen)
		for range 200 {
			time.Sleep(40 * time.Millisecond)
			_, _, err := take(t, store, item("p", "k", 1))
			require.Error(t, err)
		}
		assert.LessOrEqual(t, srv.asked(), 5+80, "ten times a second")
		assert.GreaterOrEqual(t, srv.asked(), 5+60)
		assert.Equal(t, 1, strings.Count(log.String(), `"event":"sys_backend_unavailable"`))
		assert.Contains(t, log.String(), `"layer":"throttle","backend":"redis","error":"dial tcp: connection\\nrefused"`)

		srv.set(replying(1, 0, 9, 0, 0, 0))
		time.Sleep(100 * time.Millisecond)
		for range 20 {
			ok, _, err := take(t, store, item("p", "k", 1))
			require.NoError(t, err)
			assert.True(t, ok)
		}
		assert.Equal(t, 1, strings.Count(log.String(), `"event":"sys_backend_recovered"`))
		assert.Equal(t, 1, strings.Count(log.String(), `"event":"sys_backend_unavailable"`))
	})
}

func TestAServerThatFailsNowAndThenIsAskedOn(t *testing.T) {
	store, srv, log := open(t, throttleredis.Config{})
	for i := range 300 {
		srv.set(replying(1, 0, 9, 0, 0, 0))
		if i%3 == 0 {
			srv.set(failing(errDown))
		}
		_, _, err := take(t, store, item("p", "k", 1))
		require.NotErrorIs(t, err, throttleredis.ErrOpen)
	}
	assert.Empty(t, log.String())
	for i := range 300 { // half of the calls
		srv.set(replying(1, 0, 9, 0, 0, 0))
		if i%2 == 0 {
			srv.set(failing(errDown))
		}
		_, _, _ = take(t, store, item("p", "k", 1))
	}
	assert.Contains(t, log.String(), "sys_backend_unavailable")
}

func TestAScriptThatFailsIsAnAnswerOfAServerThatWorks(t *testing.T) {
	for text, outage := range map[string]bool{
		"ERR invalid expire time in 'set' command script: 4fd2, on @user_script:62.":                             false,
		"ERR Error running script (call to f_4fd2): @user_script:62: @user_script: 62: ERR invalid expire time":  false,
		"ERR Error running script (call to f_4fd2): @user_script:62: @user_script: 62: -OOM command not allowed": true,
		"OOM command not allowed when used memory > 'maxmemory'. script: 4fd2, on @user_script:62.":              true,
		"invalid expire time in 'set' command script: 4fd2, on @user_script:62.":                                 false, // as rueidis has it
		"ERR max number of clients reached":                     true,
		"READONLY You can't write against a read only replica.": true,
	} {
		synctest.Test(t, func(t *testing.T) { // no probe is due meanwhile
			store, srv, log := open(t, throttleredis.Config{})
			srv.set(failing(errors.New(text)))
			for range 20 {
				_, _, err := take(t, store, item("p", "k", 1))
				require.Error(t, err)
			}
			srv.set(replying(1, 0, 9, 0, 0, 0))
			_, _, err := take(t, store, item("p", "other", 1))
			assert.Equal(t, outage, errors.Is(err, throttleredis.ErrOpen), text)
			assert.Contains(t, log.String(), `"event":"sys_backend_unavailable"`, text)
		})
	}
}

func TestWhatWasUnderWayDoesNotCloseTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, log := open(t, throttleredis.Config{})
		srv.answer = func(ctx context.Context, args []string) (any, error) {
			time.Sleep(50 * time.Millisecond)
			return replying(1, 0, 9, 0, 0, 0)(ctx, args)
		}
		slow := make(chan error)
		go func() {
			_, _, err := take(t, store, item("p", "slow", 1))
			slow <- err
		}()
		synctest.Wait()
		srv.set(failing(errDown))
		for range 5 {
			_, _, err := take(t, store, item("p", "k", 1))
			require.ErrorIs(t, err, errDown)
		}
		require.NoError(t, <-slow)
		_, _, err := take(t, store, item("p", "k", 1))
		require.ErrorIs(t, err, throttleredis.ErrOpen)
		assert.NotContains(t, log.String(), "sys_backend_recovered")
	})
}

func TestNoCallTakesLongerThanItsContextOrASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, _ := open(t, throttleredis.Config{})
		end := make(chan struct{})
		defer close(end)
		srv.answer = func(context.Context, []string) (any, error) { // a client that knows no context
			<-end
			return nil, errDown
		}
		start := time.Now()
		_, _, err := take(t, store, item("p", "k", 1))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start = time.Now()
		require.Error(t, store.Reset(ctx, "p", "k"))
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
	})
}

func TestWhoGivesUpSaysNothingAboutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, log := open(t, throttleredis.Config{})
		srv.answer = func(ctx context.Context, _ []string) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			require.ErrorIs(t, store.Reset(ctx, "p", "k"), context.Canceled)
			synctest.Wait() // the call that was given up may still be on its way
			asked := srv.asked()
			require.ErrorIs(t, store.Reset(ctx, "p", "k"), context.Canceled)
			synctest.Wait()
			assert.Equal(t, asked, srv.asked())
		}
		assert.Empty(t, log.String())
	})
}

func TestAPanicOfTheClientIsAFailure(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	srv.answer = func(context.Context, []string) (any, error) { panic("boom") }
	_, _, err := take(t, store, item("p", "k", 1))
	require.EqualError(t, err, "throttleredis: the client panicked: boom")
}

func TestALimiterFollowsItsOutagePolicyAndLeavesTheEventToTheStore(t *testing.T) {
	for outage, want := range map[rampart.Outage][]int{
		rampart.FailClosed: {503, 503, 503, 503},
		rampart.FailOpen:   {204, 204, 204, 204},
		rampart.FallBack:   {204, 204, 429, 429},
	} {
		store, srv, log := open(t, throttleredis.Config{})
		srv.answer = failing(errors.New("LOADING Redis is loading the dataset in memory"))
		l, err := throttle.New(throttle.Config{
			Policies: []throttle.Policy{{Name: "p", Rate: throttle.Rate{Count: 4, Period: time.Hour}, Key: throttle.ByIP(nil)}},
			Store:    store, Outage: outage, Replicas: 2, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		var got []int
		for range 4 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			got = append(got, w.Code)
		}
		assert.Equal(t, want, got)
		assert.Empty(t, log.String(), "four failures are not yet an outage")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	}
}
