package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/authredis"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
	"github.com/ecolaura/rampart/feed/feedtest"
)

// redisClient is one way to a Redis server: the adapters that the packages'
// documentation shows.
type redisClient struct {
	name string
	open func(t testing.TB, addr string) func(ctx context.Context, args ...any) (any, error)
}

func redisClients() []redisClient {
	return []redisClient{
		{"go-redis", func(t testing.TB, addr string) func(ctx context.Context, args ...any) (any, error) {
			t.Helper()
			client := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
			t.Cleanup(func() { _ = client.Close() })
			return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
		}},
		{"redigo", func(t testing.TB, addr string) func(ctx context.Context, args ...any) (any, error) {
			t.Helper()
			pool := &redis.Pool{
				DialContext: func(ctx context.Context) (redis.Conn, error) { return redis.DialContext(ctx, "tcp", addr) },
				MaxIdle:     16,
			}
			t.Cleanup(func() { _ = pool.Close() })
			return func(ctx context.Context, args ...any) (any, error) {
				conn, err := pool.GetContext(ctx)
				if err != nil {
					return nil, err
				}
				defer conn.Close()
				return redis.DoContext(conn, ctx, args[0].(string), args[1:]...)
			}
		}},
		{"rueidis", func(t testing.TB, addr string) func(ctx context.Context, args ...any) (any, error) {
			t.Helper()
			client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableRetry: true})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			return func(ctx context.Context, args ...any) (any, error) {
				words := make([]string, len(args))
				for i, arg := range args {
					words[i] = arg.(string)
				}
				return client.Do(ctx, client.B().Arbitrary(words...).Build()).ToAny()
			}
		}},
	}
}

func redisAddr() string { return cmp.Or(os.Getenv("RAMPART_REDIS"), "127.0.0.1:6379") }

// redisPrefix returns a prefix of this test's own, whose keys go with it.
func redisPrefix(t testing.TB) (client *goredis.Client, prefix string) {
	t.Helper()
	client, prefix = openRedis(t)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		keys, err := client.Keys(ctx, "{"+prefix+"}*").Result()
		if err == nil && len(keys) > 0 {
			client.Del(ctx, keys...)
		}
	})
	return client, prefix
}

func redisStore(t testing.TB, do authredis.DoFunc, prefix string) *authredis.Store {
	t.Helper()
	store, err := authredis.New(do, authredis.Config{Prefix: prefix, Timeout: 10 * time.Second})
	require.NoError(t, err)
	return store
}

// impatientStore waits for Redis no longer than the default.
func impatientStore(t testing.TB, do authredis.DoFunc, prefix string) *authredis.Store {
	t.Helper()
	store, err := authredis.New(do, authredis.Config{Prefix: prefix})
	require.NoError(t, err)
	return store
}

func TestAuthRedisStore(t *testing.T) {
	for _, client := range redisClients() {
		t.Run(client.name, func(t *testing.T) {
			openRedis(t)
			do := client.open(t, redisAddr())
			authtest.TestStore(t, func(t testing.TB) session.Store {
				t.Helper()
				_, prefix := redisPrefix(t)
				return redisStore(t, do, prefix)
			})
		})
	}
}

func TestFeedRedisSourceThroughEachClient(t *testing.T) {
	for _, client := range redisClients() {
		t.Run(client.name, func(t *testing.T) {
			openRedis(t)
			do := client.open(t, redisAddr())
			feedtest.TestSource(t, func(t testing.TB) func() feed.Source {
				t.Helper()
				_, key := openRedis(t)
				return func() feed.Source { return feedredis.New(do, key) }
			})
		})
	}
}

func TestAuthRedisForgetsWhatHasEnded(t *testing.T) {
	client, prefix := redisPrefix(t)
	store := redisStore(t, redisDo(client), prefix)
	ctx := t.Context()
	create := func(id string, ends time.Time) error {
		return store.Create(ctx, session.Session{
			ID: id, Subject: "1", AuthenticatedAt: time.Now(), Generation: 1, RotatedAt: time.Now(), Expires: ends, Ends: ends,
		})
	}
	require.NoError(t, create("ended", time.Now().Add(-time.Hour)))
	require.NoError(t, create("live", time.Now().Add(time.Hour)))
	sessions, err := client.Keys(ctx, "{"+prefix+"}:session:*").Result()
	require.NoError(t, err)
	require.Len(t, sessions, 1)
	left, err := client.PTTL(ctx, sessions[0]).Result()
	require.NoError(t, err)
	assert.InDelta(t, (time.Hour + 10*time.Minute).Seconds(), left.Seconds(), 60)

	// Floors are deleted when nothing can be judged by them any more.
	for i := range 20 {
		require.NoError(t, store.RevokeSubject(ctx, fmt.Sprint(i), time.Now()))
	}
	till, floors := "{"+prefix+"}:floors:till", "{"+prefix+"}:floors"
	for i := range 19 { // as if that had been long ago
		require.NoError(t, client.ZAdd(ctx, till, goredis.Z{Score: 1, Member: fmt.Sprint(i)}).Err())
	}
	for range 3 {
		require.NoError(t, store.RevokeSubject(ctx, "19", time.Now()))
	}
	assert.EqualValues(t, 1, client.HLen(ctx, floors).Val())
	assert.EqualValues(t, 1, client.ZCard(ctx, till).Val())
	assert.True(t, client.HExists(ctx, floors, "19").Val())
}
