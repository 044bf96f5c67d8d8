package authredis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/authredis"
	"github.com/ecolaura/rampart/auth/session"
)

// The scripts run in a real Redis in internal/integration, through three
// clients. Here a DoFunc stands for it.

func newStore(tb testing.TB, do authredis.DoFunc) *authredis.Store {
	tb.Helper()
	store, err := authredis.New(do, authredis.Config{})
	require.NoError(tb, err)
	return store
}

func answering(reply any, err error) authredis.DoFunc {
	return func(context.Context, ...any) (any, error) { return reply, err }
}

var sess = session.Session{
	ID: "a", Subject: "1", AuthenticatedAt: time.UnixMicro(1), Generation: 2, RotatedAt: time.UnixMicro(3),
	Expires: time.UnixMicro(4), Ends: time.UnixMicro(5),
}

// calls calls every method that sends a script.
func calls(ctx context.Context, store *authredis.Store) map[string]error {
	_, getErr := store.Get(ctx, "a")
	_, listErr := store.List(ctx, "1", 10)
	_, _, advanceErr := store.Advance(ctx, "a", 1, time.Now(), time.Now())
	_, revokeErr := store.Revoke(ctx, "a")
	_, subjectErr := store.RevokeSubject(ctx, "1", time.Now())
	return map[string]error{
		"create":         store.Create(ctx, sess),
		"get":            getErr,
		"list":           listErr,
		"advance":        advanceErr,
		"revoke":         revokeErr,
		"revoke subject": errors.Join(subjectErr, store.RevokeBefore(ctx, time.Now())),
	}
}

func TestACallAboutNobodyIsNotSent(t *testing.T) {
	store, err := authredis.New(func(context.Context, ...any) (any, error) {
		t.Error("sent")
		return nil, nil
	}, authredis.Config{})
	require.NoError(t, err)
	_, err = store.RevokeSubject(t.Context(), "", time.Now())
	assert.ErrorContains(t, err, "no subject")
	_, err = store.List(t.Context(), "", 10)
	assert.ErrorContains(t, err, "no subject")
}

func TestEachMistakeOfAConfigIsReported(t *testing.T) {
	_, err := authredis.New(nil, authredis.Config{Prefix: "a{b}", KeepFloors: time.Second, Timeout: time.Hour})
	assert.EqualError(t, err, `authredis.New.do: missing: give a function that sends a command to Redis
authredis.Config.Prefix: invalid "a{b}": write the prefix without braces; the store adds them
authredis.Config.KeepFloors: invalid "1s": use 1h or more, longer than any session lives; 0 means 9600h (400 days)
authredis.Config.Timeout: invalid "1h0m0s": use up to 1m; 0 means 400ms`)
}

func TestTheZeroStoreRefuses(t *testing.T) {
	var store authredis.Store
	for name, err := range calls(t.Context(), &store) {
		assert.ErrorContains(t, err, "authredis: "+name+": the store was not made by New")
	}
	_, err := store.Now(t.Context())
	assert.ErrorContains(t, err, "authredis: now: ")
}

func TestRowsMayBeStringsOrBytes(t *testing.T) {
	for desc, row := range map[string][]any{
		"strings": {"1", "1", "2", "3", "4", "5", "0", "phone"},
		"bytes":   {[]byte("1"), []byte("1"), []byte("2"), []byte("3"), []byte("4"), []byte("5"), []byte("0"), []byte("phone")},
	} {
		t.Run(desc, func(t *testing.T) {
			got, err := newStore(t, answering(row, nil)).Get(t.Context(), "a")
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(sess.AuthenticatedAt.UTC(), sess.Ends.UTC()), fmt.Sprint(got.AuthenticatedAt, got.Ends))
			assert.EqualValues(t, 2, got.Generation)
			assert.Equal(t, "phone", got.Device)
			assert.False(t, got.Revoked)

			member := strings.Repeat("h", 43) + "an id"
			live, err := newStore(t, answering([]any{member, row, []byte(member), row}, nil)).List(t.Context(), "1", 10)
			got.ID = "an id"
			assert.NoError(t, err)
			assert.Equal(t, []session.Session{got, got}, live)

			_, moved, err := newStore(t, answering(row, nil)).Advance(t.Context(), "a", 1, time.Now(), time.Now())
			assert.NoError(t, err)
			assert.False(t, moved)
			_, moved, err = newStore(t, answering(append(row, "moved"), nil)).Advance(t.Context(), "a", 1, time.Now(), time.Now())
			assert.NoError(t, err)
			assert.True(t, moved)

			row = slices.Clone(row)
			row[6] = "1"
			got, err = newStore(t, answering(row, nil)).Get(t.Context(), "a")
			assert.NoError(t, err)
			assert.True(t, got.Revoked)
		})
	}
}

func TestAnEmptyRowIsNoSession(t *testing.T) {
	store := newStore(t, answering([]any{}, nil))
	_, err := store.Get(t.Context(), "a")
	assert.ErrorIs(t, err, session.ErrNoSession)
	_, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now())
	assert.ErrorIs(t, err, session.ErrNoSession)
	assert.False(t, moved)
}

func TestWhatHasEndedIsToldInWords(t *testing.T) {
	for reply, want := range map[string]bool{"known": true, "unknown": false} {
		known, err := newStore(t, answering([]byte(reply), nil)).Revoke(t.Context(), "a")
		assert.NoError(t, err)
		assert.Equal(t, want, known)
	}
	ended, err := newStore(t, answering([]byte("12"), nil)).RevokeSubject(t.Context(), "1", time.Now())
	assert.NoError(t, err)
	assert.Equal(t, 12, ended)
}

func TestCreateSaysWhyNot(t *testing.T) {
	for reply, want := range map[string]error{"created": nil, "exists": session.ErrSessionExists, "superseded": session.ErrSuperseded} {
		assert.Equal(t, want, newStore(t, answering([]byte(reply), nil)).Create(t.Context(), sess))
	}
}

func TestRepliesThatItDoesNotUnderstandAreErrors(t *testing.T) {
	for desc, reply := range map[string]any{
		"nothing":       nil,
		"no list":       "OK",
		"half a row":    []any{"1", "x"},
		"a row without": []any{"1", "1", "2", "3", "4", "5", "0"},
		"a longer row":  []any{"1", "1", "2", "3", "4", "5", "0", "", "moved", "more"},
		"no time":       []any{"1", "x", "2", "3", "4", "5", "0", ""},
		"a nil in it":   []any{"1", nil, "2", "3", "4", "5", "0", ""},
		"another error": []any{1, 2},
	} {
		t.Run(desc, func(t *testing.T) {
			store := newStore(t, answering(reply, nil))
			_, err := store.Get(t.Context(), "a")
			assert.ErrorContains(t, err, "authredis: get: ")
			_, _, err = store.Advance(t.Context(), "a", 1, time.Now(), time.Now())
			assert.ErrorContains(t, err, "authredis: advance: ")
			assert.ErrorContains(t, store.Create(t.Context(), sess), "authredis: create: ")
			_, err = store.Now(t.Context())
			assert.ErrorContains(t, err, "authredis: now: ")
			for name, err := range calls(t.Context(), store) {
				assert.ErrorContains(t, err, "authredis: "+name+": ")
			}
		})
	}
	row := []any{"1", "1", "2", "3", "4", "5", "0", ""}
	for desc, reply := range map[string]any{
		"a member that is too short": []any{"a", row},
		"a member without a row":     []any{strings.Repeat("h", 43)},
		"an empty row":               []any{strings.Repeat("h", 43), []any{}},
	} {
		t.Run(desc, func(t *testing.T) {
			_, err := newStore(t, answering(reply, nil)).List(t.Context(), "1", 10)
			assert.ErrorContains(t, err, "authredis: list: a reply of Redis")
		})
	}
}

func TestNowIsTheClockOfRedis(t *testing.T) {
	store := newStore(t, func(_ context.Context, args ...any) (any, error) {
		assert.Equal(t, []any{"TIME"}, args)
		return []any{"1700000000", []byte("123456")}, nil
	})
	now, err := store.Now(t.Context())
	require.NoError(t, err)
	assert.Equal(t, time.Unix(1700000000, 123456000).UTC(), now)
}

func TestKeysAreHashedAndShareOneHashTag(t *testing.T) {
	const id, subject = "a session id\r\n}{", "nobody@example.com"
	sent := 0
	do := func(_ context.Context, args ...any) (any, error) {
		keys, err := strconv.Atoi(args[2].(string))
		assert.NoError(t, err)
		for _, key := range args[3 : 3+keys] {
			assert.True(t, strings.HasPrefix(fmt.Sprint(key), "{shop}:"), key)
			assert.NotContains(t, key, id)
			assert.NotContains(t, key, subject)
		}
		for _, arg := range args {
			assert.IsType(t, "", arg)
		}
		sent++
		return []any{}, nil
	}
	store, err := authredis.New(do, authredis.Config{Prefix: "shop"})
	require.NoError(t, err)
	_, err = store.Get(t.Context(), id)
	assert.ErrorIs(t, err, session.ErrNoSession)
	_, err = store.List(t.Context(), subject, 10)
	assert.NoError(t, err)
	assert.Error(t, store.Create(t.Context(), session.Session{ID: id, Subject: subject})) // not what Redis answers
	_, err = store.Revoke(t.Context(), id)
	assert.Error(t, err)
	_, err = store.RevokeSubject(t.Context(), subject, time.Now())
	assert.Error(t, err)
	assert.Equal(t, 5, sent)
}

func TestFailuresAreErrors(t *testing.T) {
	down := errors.New("connection refused")
	store := newStore(t, answering(nil, down))
	for name, err := range calls(t.Context(), store) {
		assert.ErrorIs(t, err, down)
		assert.ErrorContains(t, err, "authredis: "+name+": ")
	}
	_, err := store.Now(t.Context())
	assert.ErrorIs(t, err, down)
}

func TestACancelledContextSendsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := newStore(t, func(context.Context, ...any) (any, error) {
		t.Error("sent")
		return nil, nil //nolint:nilnil // not reached
	})
	for _, err := range calls(ctx, store) {
		assert.ErrorIs(t, err, context.Canceled)
	}
	_, err := store.Now(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestNoCommandIsWaitedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		store := newStore(t, func(context.Context, ...any) (any, error) { // a client that does not obey the context
			<-ended
			return nil, errors.New("too late")
		})
		for name, err := range calls(t.Context(), store) {
			assert.ErrorIs(t, err, context.DeadlineExceeded, name)
		}
		began := time.Now()
		_, err := store.Now(t.Context())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 400*time.Millisecond, time.Since(began))
		close(ended)
	})
}

func TestAStoreTellsThatItsCircuitIsOpen(t *testing.T) {
	store, err := authredis.New(func(context.Context, ...any) (any, error) { return nil, errors.New("refused") },
		authredis.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	open := func() (n float64) {
		for s := range store.Samples {
			assert.Equal(t, map[string]string{"layer": "auth/authredis"}, s.Labels)
			n = s.Value
		}
		return n
	}
	assert.Zero(t, open())
	for range 10 {
		_, err = store.Get(t.Context(), "a")
		require.Error(t, err)
	}
	assert.InDelta(t, 1, open(), 0)
	for range new(authredis.Store).Samples {
		t.Error("a zero Store tells something")
	}
}
