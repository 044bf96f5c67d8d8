package integration_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
	"github.com/ecolaura/rampart/feed/feedtest"
)

// openRedis connects to the server that RAMPART_REDIS names (host:port), or to
// the one that `make services` starts, and returns a key of its own there.
func openRedis(t testing.TB) (client *redis.Client, key string) {
	t.Helper()
	client = redis.NewClient(&redis.Options{Addr: cmp.Or(os.Getenv("RAMPART_REDIS"), "127.0.0.1:6379")})
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		missing(t, "redis", "run `make services`, or set RAMPART_REDIS to host:port ("+err.Error()+")")
	}
	key = "rampart_test_" + rand.Text()
	t.Cleanup(func() { client.Del(context.WithoutCancel(t.Context()), key) }) // before Close
	return client, key
}

func redisDo(client *redis.Client) feedredis.DoFunc {
	return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
}

func TestFeedRedisSource(t *testing.T) {
	feedtest.TestSource(t, func(t testing.TB) func() feed.Source {
		client, key := openRedis(t)
		return func() feed.Source { return feedredis.New(redisDo(client), key) }
	})
}

func TestFeedRedisDeletesExpiredChanges(t *testing.T) {
	client, key := openRedis(t)
	source := feedredis.New(redisDo(client), key)
	for i := range 60 { // every third lives on
		keep := 20 * time.Millisecond
		if i%3 == 0 {
			keep = time.Hour
		}
		require.NoError(t, source.Publish(t.Context(), "t", nil, keep))
	}
	for range feed.Kept { // the newest, by which readers know where they are
		require.NoError(t, client.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []any{"topic", "t", "data", "", "keep", "1"}}).Err())
	}
	time.Sleep(50 * time.Millisecond)
	for range 12 {
		require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
	}
	left := client.XLen(t.Context(), key).Val()
	assert.GreaterOrEqual(t, left, int64(20+feed.Kept), "what lives, and the newest")
	assert.LessOrEqual(t, left, int64(20+feed.Kept+16), "and no more than a part of what a sweep looks at")
}
