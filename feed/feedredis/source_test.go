package feedredis_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
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
			changes, err := feedredis.New(answering([]any{[]any{id, fields}}, nil), "k").Since(t.Context(), 0, 10)
			require.NoError(t, err)
			seq := made.UnixMilli()<<20 + 3
			assert.Equal(t, []feed.Change{{Seq: seq, Topic: "t", Data: []byte("d"), Expires: made.Add(time.Minute)}}, changes)
		})
	}
}

func TestHasNothingWhereTheReplyIsNil(t *testing.T) {
	changes, err := feedredis.New(answering(nil, nil), "k").Since(t.Context(), 7, 10)
	assert.NoError(t, err)
	assert.Empty(t, changes)
}

// Who can write to the stream by hand must not stop what follows.
func TestAnEntryThatCannotBeReadHidesNoOther(t *testing.T) {
	good := []any{"topic", "t", "data", "d", "keep", "60000"}
	unreadable := []feed.Change{{Seq: 1<<20 + 1}}
	for desc, tt := range map[string]struct {
		entry any
		want  []feed.Change
	}{
		"no entry":              {"1-1", nil},
		"half an entry":         {[]any{"1-1"}, nil},
		"no id":                 {[]any{nil, good}, nil},
		"an id without a count": {[]any{"1", good}, nil},
		"a negative id":         {[]any{"-1-1", good}, nil},
		"a time out of range":   {[]any{"8796093022208-0", good}, nil},
		"a count out of range":  {[]any{"1-1048576", good}, nil},
		"a value of no text":    {[]any{"1-1", []any{"topic", 1}}, unreadable},
		"no duration":           {[]any{"1-1", []any{"topic", "t", "keep", "x"}}, unreadable},
	} {
		t.Run(desc, func(t *testing.T) {
			changes, err := feedredis.New(answering([]any{tt.entry, []any{"2-0", good}}, nil), "k").Since(t.Context(), 7, 10)
			require.NoError(t, err)
			require.Len(t, changes, len(tt.want)+1)
			assert.Equal(t, tt.want, append([]feed.Change(nil), changes[:len(tt.want)]...))
			assert.Equal(t, "t", changes[len(tt.want)].Topic)
		})
	}
	_, err := feedredis.New(answering("OK", nil), "k").Since(t.Context(), 7, 10)
	assert.ErrorContains(t, err, "feedredis: ", "no list is no reply of XRANGE")
}

func TestFailuresAreErrors(t *testing.T) {
	down := errors.New("connection refused")
	source := feedredis.New(answering(nil, down), "k")
	assert.ErrorIs(t, source.Publish(t.Context(), "t", nil, time.Hour), down)
	_, err := source.Since(t.Context(), 0, 10)
	assert.ErrorIs(t, err, down)
	_, err = source.Report(t.Context(), rampart.Instance{}, time.Hour)
	assert.ErrorIs(t, err, down)
	assert.ErrorContains(t, err, "feedredis: report: ")

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
				case "XLEN":
					return int64(2 * feed.Kept), nil
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

func TestReadsWhatInstancesSay(t *testing.T) {
	const good = "9 2000003 1000005 7 v1.2 (blue)"
	want := rampart.Instance{ID: "good", Version: "v1.2 (blue)", Started: time.UnixMicro(1_000_005).UTC(), Seen: time.UnixMicro(2_000_003).UTC(), Seq: 7}
	for desc, reply := range map[string][]any{
		"strings":             {"good", good},
		"bytes":               {[]byte("good"), []byte(good)},
		"too few fields":      {"a", "9 2 1 7", "good", good},
		"an expiry of no use": {"a", "x 2 1 7 v", "good", good},
		"seen at no time":     {"a", "9 x 1 7 v", "good", good},
		"started at no time":  {"a", "9 2 x 7 v", "good", good},
		"no sequence number":  {"a", "9 2 1 x v", "good", good},
	} {
		t.Run(desc, func(t *testing.T) {
			all, err := feedredis.New(answering(reply, nil), "k").Report(t.Context(), rampart.Instance{}, time.Hour)
			require.NoError(t, err)
			assert.Equal(t, []rampart.Instance{want}, all)
		})
	}
	for desc, reply := range map[string]any{"nil": nil, "text": "OK", "no pairs": []any{"a"}, "no text": []any{"a", 1}} {
		t.Run(desc, func(t *testing.T) {
			_, err := feedredis.New(answering(reply, nil), "k").Report(t.Context(), rampart.Instance{}, time.Hour)
			assert.ErrorContains(t, err, "feedredis: ")
		})
	}
}

func TestTheInstancesAreOneKeyOfAScript(t *testing.T) {
	var sent []any
	source := feedredis.New(func(_ context.Context, args ...any) (any, error) {
		sent = args
		return []any{}, nil
	}, "k")
	_, err := source.Report(t.Context(), rampart.Instance{ID: "a", Version: "v 1", Started: time.UnixMicro(5), Seq: 7}, 2*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, sent, 7)
	assert.Equal(t, []any{"1", "k:instances", "a", "2000", "5 7 v 1"}, sent[2:])
}
