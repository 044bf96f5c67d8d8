package incidentredis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentredis"
)

// The scripts run in a real Redis in internal/integration, through three
// clients. Here a DoFunc stands for it.

func newStore(tb testing.TB, do incidentredis.DoFunc) *incidentredis.Store {
	tb.Helper()
	store, err := incidentredis.New(do, incidentredis.Config{})
	require.NoError(tb, err)
	return store
}

func answering(reply any, err error) incidentredis.DoFunc {
	return func(context.Context, ...any) (any, error) { return reply, err }
}

// calls calls every method.
func calls(ctx context.Context, s *incidentredis.Store, o incident.Order) map[string]error {
	_, added, begin := s.Begin(ctx, o)
	if added {
		begin = errors.New("added")
	}
	_, get := s.Get(ctx, o.ID)
	_, list := s.List(ctx, "", 1)
	return map[string]error{"begin": begin, "get": get, "list": list, "finish": s.Finish(ctx, o)}
}

func TestEachMistakeOfAConfigIsReported(t *testing.T) {
	_, err := incidentredis.New(nil, incidentredis.Config{Prefix: "a{b}", Keep: time.Hour, Max: -1, Timeout: time.Hour})
	assert.EqualError(t, err, `incidentredis.New.do: missing: give a function that sends a command to Redis
incidentredis.Config.Prefix: invalid "a{b}": write the prefix without braces; the store adds them
incidentredis.Config.Keep: invalid "1h0m0s": use 24h or more; 0 means 9600h (400 days)
incidentredis.Config.Max: invalid "-1": use 1 or more; 0 means 10000
incidentredis.Config.Timeout: invalid "1h0m0s": use up to 1m; 0 means 400ms`)
	for _, cfg := range []incidentredis.Config{
		{Keep: 24 * time.Hour}, {Max: 1}, {Timeout: time.Minute}, {Timeout: 1},
	} {
		_, err := incidentredis.New(answering(nil, nil), cfg)
		assert.NoError(t, err)
	}
	for _, cfg := range []incidentredis.Config{{Keep: 24*time.Hour - 1}, {Timeout: -1}, {Timeout: time.Minute + 1}} {
		_, err := incidentredis.New(answering(nil, nil), cfg)
		assert.Error(t, err)
	}
}

func TestTheZeroStoreRefuses(t *testing.T) {
	for name, err := range calls(t.Context(), new(incidentredis.Store), incident.Order{ID: "a"}) {
		assert.ErrorContains(t, err, "incidentredis: "+name+": the store was not made by New")
	}
}

func TestRepliesMayBeStringsOrBytes(t *testing.T) {
	const body = `{"id": "a"}`
	for desc, reply := range map[string][]any{"strings": {"other", body}, "bytes": {[]byte("other"), []byte(body)}} {
		t.Run(desc, func(t *testing.T) {
			other, added, err := newStore(t, answering(reply, nil)).Begin(t.Context(), incident.Order{})
			assert.NoError(t, err)
			assert.False(t, added)
			assert.Equal(t, "a", other.ID)
			got, err := newStore(t, answering(reply[1:], nil)).Get(t.Context(), "a")
			assert.NoError(t, err)
			assert.Equal(t, "a", got.ID)
			page, err := newStore(t, answering([]any{reply[1], reply[1]}, nil)).List(t.Context(), "", 2)
			assert.NoError(t, err)
			assert.Len(t, page, 2)
		})
	}
	assert.NoError(t, newStore(t, answering([]byte("finished"), nil)).Finish(t.Context(), incident.Order{}))
}

func TestRepliesThatItDoesNotUnderstandAreErrors(t *testing.T) {
	for desc, reply := range map[string]any{
		"nothing":        nil,
		"a word":         "OK",
		"another word":   []any{"x"},
		"a nil":          []any{nil},
		"no order":       []any{"other", "{"},
		"an order more":  []any{"other", "{}", "{}"},
		"an answer more": []any{"added", "{}"},
		"a number":       []any{1, 2},
	} {
		t.Run(desc, func(t *testing.T) {
			for name, err := range calls(t.Context(), newStore(t, answering(reply, nil)), incident.Order{ID: "a"}) {
				assert.ErrorContains(t, err, "incidentredis: "+name+": ")
			}
		})
	}
}

func TestAnAnswerThatIsNoJSONIsNotSent(t *testing.T) {
	store := newStore(t, func(context.Context, ...any) (any, error) {
		t.Error("sent")
		return nil, nil //nolint:nilnil // not reached
	})
	o := incident.Order{ID: "a", Answer: json.RawMessage("{")}
	_, added, err := store.Begin(t.Context(), o)
	assert.False(t, added)
	assert.ErrorContains(t, err, "incidentredis: begin: ")
	assert.ErrorContains(t, store.Finish(t.Context(), o), "incidentredis: finish: ")
}

func TestKeysShareOneHashTag(t *testing.T) {
	const once = "a key\r\n}{"
	names := map[string]bool{}
	store, err := incidentredis.New(func(_ context.Context, args ...any) (any, error) {
		for _, arg := range args {
			assert.IsType(t, "", arg)
		}
		for _, key := range args[3 : 3+int(args[2].(string)[0]-'0')] {
			assert.True(t, strings.HasPrefix(fmt.Sprint(key), "{shop}:"), key)
			assert.NotContains(t, key, once)
			names[fmt.Sprint(key)] = true
		}
		return []any{}, nil
	}, incidentredis.Config{Prefix: "shop"})
	require.NoError(t, err)
	calls(t.Context(), store, incident.Order{ID: "a", Once: once})
	assert.Len(t, names, 3, "the orders, one of them, and its Once")
}

func TestFailuresAreErrors(t *testing.T) {
	down := errors.New("connection refused")
	for name, err := range calls(t.Context(), newStore(t, answering(nil, down)), incident.Order{ID: "a"}) {
		assert.ErrorIs(t, err, down)
		assert.ErrorContains(t, err, "incidentredis: "+name+": ")
	}
}

func TestNoCommandIsWaitedForLonger(t *testing.T) {
	for cfg, want := range map[time.Duration]time.Duration{0: 400 * time.Millisecond, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan struct{})
			store, err := incidentredis.New(func(context.Context, ...any) (any, error) { // a client that does not obey the context
				<-ended
				return nil, errors.New("too late")
			}, incidentredis.Config{Timeout: cfg})
			require.NoError(t, err)
			began := time.Now()
			for name, err := range calls(t.Context(), store, incident.Order{ID: "a"}) {
				assert.ErrorIs(t, err, context.DeadlineExceeded, name)
			}
			assert.Equal(t, 4*want, time.Since(began))
			close(ended)
		})
	}
}

func TestAStoreTellsThatItsCircuitIsOpen(t *testing.T) {
	store := newStore(t, answering(nil, errors.New("refused")))
	for i := range 10 {
		for s := range store.Samples {
			assert.Equal(t, map[string]string{"layer": "incident/incidentredis"}, s.Labels)
			if i == 0 {
				assert.Zero(t, s.Value)
			}
			if i == 9 {
				assert.InDelta(t, 1, s.Value, 0)
			}
		}
		_, err := store.Get(t.Context(), "a")
		require.Error(t, err)
	}
}
