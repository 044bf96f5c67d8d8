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

// The scripts find the rows of a subject by names that are not among their keys.
func TestAuthRedisStoreOnACluster(t *testing.T) {
	var addrs []string
	for _, node := range startCluster(t) {
		addrs = append(addrs, node.Options().Addr)
	}
	clients := clusterClients(t, addrs)
	for _, name := range []string{"go-redis", "rueidis"} {
		t.Run(name, func(t *testing.T) {
			n := 0
			authtest.TestStore(t, func(t testing.TB) session.Store {
				t.Helper()
				n++ // prefixes on both nodes
				return redisStore(t, clients[name], fmt.Sprint(name, n))
			})
		})
	}
}

// redisRow returns a session of the subject "1" that began so long ago, and ends in
// an hour.
func redisRow(id string, ago time.Duration) session.Session {
	ends := time.Now().Add(time.Hour)
	return session.Session{ID: id, Subject: "1", AuthenticatedAt: time.Now().Add(-ago), Generation: 1, RotatedAt: time.Now(), Expires: ends, Ends: ends}
}

// subjectSet returns the key of the only subject's sessions.
func subjectSet(t testing.TB, client *goredis.Client, prefix string) string {
	t.Helper()
	sets, err := client.Keys(t.Context(), "{"+prefix+"}:subject:*").Result()
	require.NoError(t, err)
	require.Len(t, sets, 1)
	return sets[0]
}

func TestAuthRedisSetOfASubjectStaysSmallAndEndsWithItsSessions(t *testing.T) {
	client, prefix := redisPrefix(t)
	store := redisStore(t, redisDo(client), prefix)
	ctx := t.Context()
	size := func() int64 { return client.ZCard(ctx, subjectSet(t, client, prefix)).Val() }

	gone := redisRow("gone", 0)
	gone.Ends = time.Now().Add(-time.Hour) // Redis deletes the row at once
	require.NoError(t, store.Create(ctx, gone))
	assert.Empty(t, client.Keys(ctx, "{"+prefix+"}*").Val())

	long := redisRow("long", time.Minute)
	long.Ends = time.Now().Add(24 * time.Hour)
	for _, s := range []session.Session{redisRow("live", 0), long, redisRow("another", 0)} {
		require.NoError(t, store.Create(ctx, s))
	}
	left, err := client.PTTL(ctx, subjectSet(t, client, prefix)).Result()
	require.NoError(t, err)
	assert.InDelta(t, (24*time.Hour + 10*time.Minute).Seconds(), left.Seconds(), 60, "that of the last to end")

	expired, idle := redisRow("expired", 0), redisRow("idle", 0)
	expired.Expires = time.Now().Add(-11 * time.Minute)
	idle.Expires = time.Now().Add(-9 * time.Minute) // a clock that is behind may still advance it
	for _, s := range []session.Session{gone, expired, idle, redisRow("revoked", 0)} {
		require.NoError(t, store.Create(ctx, s))
	}
	require.NoError(t, errOf(store.Revoke(ctx, "revoked")))
	require.NoError(t, store.Create(ctx, redisRow("last", 0)))
	assert.EqualValues(t, 5, size(), "live, long, another, idle and last")
	_, moved, err := store.Advance(ctx, "idle", 1, time.Now().Add(-10*time.Minute), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.True(t, moved)
	live, err := store.List(ctx, "1", 10)
	require.NoError(t, err)
	assert.Len(t, live, 5)

	for i := range 30 {
		require.NoError(t, store.Create(ctx, redisRow(fmt.Sprint("other device", i), time.Hour)))
	}
	for i := range 400 { // a program that logs in and out
		id := fmt.Sprint(i)
		require.NoError(t, store.Create(ctx, redisRow(id, 0)))
		require.NoError(t, errOf(store.Revoke(ctx, id)))
	}
	assert.Less(t, size(), int64(100))
	ended, err := store.RevokeSubject(ctx, "1", time.Now())
	require.NoError(t, err)
	assert.Equal(t, 35, ended)
	sets, err := client.Keys(ctx, "{"+prefix+"}:subject:*").Result()
	require.NoError(t, err)
	assert.Empty(t, sets)
}

func TestAuthRedisLooksAtAThousandSessionsOfASubject(t *testing.T) {
	client, prefix := redisPrefix(t)
	store := redisStore(t, redisDo(client), prefix)
	ctx := t.Context()
	for i := range 1001 {
		require.NoError(t, store.Create(ctx, redisRow(fmt.Sprint(i), time.Duration(i)*time.Minute)))
	}
	live, err := store.List(ctx, "1", 2000)
	require.NoError(t, err)
	require.Len(t, live, 1000)
	assert.Equal(t, "0", live[0].ID)
	ended, err := store.RevokeSubject(ctx, "1", time.Now())
	require.NoError(t, err)
	assert.Equal(t, 1000, ended)
	last, err := store.Get(ctx, "1000")
	require.NoError(t, err)
	assert.True(t, last.Revoked, "not counted, but ended")
}

func TestAuthRedisReadsRowsOfTheReleaseWithoutDevices(t *testing.T) {
	client, prefix := redisPrefix(t)
	store := redisStore(t, redisDo(client), prefix)
	ctx := t.Context()
	require.NoError(t, store.Create(ctx, redisRow("a", 0)))
	keys, err := client.Keys(ctx, "{"+prefix+"}:session:*").Result()
	require.NoError(t, err)
	require.NoError(t, client.HDel(ctx, keys[0], "device").Err())
	row, err := store.Get(ctx, "a")
	require.NoError(t, err)
	assert.Empty(t, row.Device)
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
		require.NoError(t, errOf(store.RevokeSubject(ctx, fmt.Sprint(i), time.Now())))
	}
	till, floors := "{"+prefix+"}:floors:till", "{"+prefix+"}:floors"
	for i := range 19 { // as if that had been long ago
		require.NoError(t, client.ZAdd(ctx, till, goredis.Z{Score: 1, Member: fmt.Sprint(i)}).Err())
	}
	for range 3 {
		require.NoError(t, errOf(store.RevokeSubject(ctx, "19", time.Now())))
	}
	assert.EqualValues(t, 1, client.HLen(ctx, floors).Val())
	assert.EqualValues(t, 1, client.ZCard(ctx, till).Val())
	assert.True(t, client.HExists(ctx, floors, "19").Val())
}
