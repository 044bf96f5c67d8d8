package feedredis_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
)

// The commands against a real server are tested in internal/integration.

func answering(reply any, err error) feedredis.DoFunc {
	return func(context.Context, ...any) (any, error) { return reply, err }
}

func TestRepliesMayBeStringsOrBytes(t *testing.T) {
	for desc, fields := range map[string][]any{
		"strings": {"topic", "t", "data", "d", "keep", "60000", "later", "x"},
		"bytes":   {[]byte("topic"), []byte("t"), []byte("data"), []byte("d"), []byte("keep"), []byte("60000")},
	} {
		t.Run(desc, func(t *testing.T) {
			made := time.UnixMilli(time.Now().UnixMilli())
			id := strconv.FormatInt(made.UnixMilli(), 10) + "-3"
			changes, last, err := feedredis.New(answering([]any{[]any{id, fields}}, nil), "k").Since(t.Context(), 0, 10)
			require.NoError(t, err)
			seq := made.UnixMilli()<<20 + 3
			assert.Equal(t, []feed.Change{{Seq: seq, Topic: "t", Data: []byte("d"), Expires: made.Add(time.Minute)}}, changes)
			assert.Equal(t, seq, last)
		})
	}
}

func TestHasNothingWhereTheReplyIsNil(t *testing.T) {
	changes, last, err := feedredis.New(answering(nil, nil), "k").Since(t.Context(), 7, 10)
	assert.NoError(t, err)
	assert.Empty(t, changes)
	assert.EqualValues(t, 7, last)
}

func TestRefusesRepliesThatItDoesNotUnderstand(t *testing.T) {
	good := []any{"topic", "t", "data", "d", "keep", "60000"}
	for desc, reply := range map[string]any{
		"no list":               "OK",
		"no entry":              []any{"1-1"},
		"half an entry":         []any{[]any{"1-1"}},
		"no id":                 []any{[]any{nil, good}},
		"an id without a count": []any{[]any{"1", good}},
		"a negative id":         []any{[]any{"-1-1", good}},
		"a time out of range":   []any{[]any{"8796093022208-0", good}},
		"a count out of range":  []any{[]any{"1-1048576", good}},
		"a value of no text":    []any{[]any{"1-1", []any{"topic", 1}}},
		"no duration":           []any{[]any{"1-1", []any{"keep", "x"}}},
	} {
		t.Run(desc, func(t *testing.T) {
			_, last, err := feedredis.New(answering(reply, nil), "k").Since(t.Context(), 7, 10)
			assert.ErrorContains(t, err, "feedredis: ")
			assert.EqualValues(t, 7, last)
		})
	}
}

func TestFailuresAreErrors(t *testing.T) {
	down := errors.New("connection refused")
	source := feedredis.New(answering(nil, down), "k")
	assert.ErrorIs(t, source.Publish(t.Context(), "t", nil, time.Hour), down)
	_, _, err := source.Since(t.Context(), 0, 10)
	assert.ErrorIs(t, err, down)

	published := feedredis.New(func(_ context.Context, args ...any) (any, error) {
		if args[0] == "XADD" {
			return "1-1", nil
		}
		return nil, down
	}, "k")
	assert.NoError(t, published.Publish(t.Context(), "t", nil, time.Hour), "what could not be swept is swept later")
}

func TestDeletesByTheClockOfTheServer(t *testing.T) {
	for desc, skew := range map[string]time.Duration{"of a server that is behind": -2 * time.Hour, "of a server that is ahead": 2 * time.Hour} {
		t.Run(desc, func(t *testing.T) {
			server := time.Now().Add(skew)
			id := func(age time.Duration) string { return strconv.FormatInt(server.Add(-age).UnixMilli(), 10) + "-1" }
			entry := func(age time.Duration) any {
				return []any{id(age), []any{"topic", "t", "data", "d", "keep", "3600000"}}
			}
			var deleted []any
			var added any = id(0)
			source := feedredis.New(func(_ context.Context, args ...any) (any, error) {
				switch args[0] {
				case "XADD":
					return added, nil
				case "XDEL":
					deleted = append(deleted, args[2:]...)
					return 1, nil
				}
				return []any{entry(time.Hour), entry(time.Hour - time.Millisecond)}, nil
			}, "k")
			require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
			assert.Equal(t, []any{id(time.Hour)}, deleted, "and nothing that lives")
			added = []byte(id(0))
			require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
			assert.Len(t, deleted, 2)
			for _, added = range []any{nil, "OK"} { // tell no time
				require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
			}
			assert.Len(t, deleted, 2)
		})
	}
}
