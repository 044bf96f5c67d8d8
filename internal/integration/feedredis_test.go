package integration_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
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
	t.Cleanup(func() { client.Del(context.WithoutCancel(t.Context()), key, key+":instances") }) // before Close
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

func TestFeedRedisDeletesExpiredInstances(t *testing.T) {
	client, key := openRedis(t)
	source, hash := feedredis.New(redisDo(client), key), key+":instances"
	report := func(id string, keep time.Duration) {
		t.Helper()
		_, err := source.Report(t.Context(), rampart.Instance{ID: id}, keep)
		require.NoError(t, err)
	}
	report("a", 20*time.Millisecond)
	report("b", time.Hour)
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, client.HSet(t.Context(), hash, "by hand", "what?").Err())
	report("c", time.Minute)
	assert.Equal(t, []string{"b", "c"}, client.HKeys(t.Context(), hash).Val())
	ttl := client.PTTL(t.Context(), hash).Val()
	assert.Greater(t, ttl, 59*time.Minute, "it lasts as long as the last of them")
	assert.LessOrEqual(t, ttl, time.Hour)
	report("b", 0)
	report("c", 0)
	assert.Zero(t, client.Exists(t.Context(), hash).Val())
}

func TestFeedRedisListsAThousandInstances(t *testing.T) {
	client, key := openRedis(t)
	expires := time.Now().Add(time.Hour).UnixMicro()
	for i := range 1000 {
		row := fmt.Sprintf("%d %d 0 7 v", expires, 1000+i)
		require.NoError(t, client.HSet(t.Context(), key+":instances", fmt.Sprint(i), row).Err())
	}
	all, err := feedredis.New(redisDo(client), key).Report(t.Context(), rampart.Instance{ID: "self", Started: time.Now()}, time.Hour)
	require.NoError(t, err)
	require.Len(t, all, 1000)
	assert.Equal(t, "self", all[999].ID)
	for _, in := range all {
		assert.NotEqual(t, "0", in.ID, "that was seen longest ago")
	}
}

func TestFeedRedisOnACluster(t *testing.T) {
	t.Parallel() // most of it is waiting
	nodes := startCluster(t)
	for name, do := range clusterClients(t, []string{nodes[0].Options().Addr, nodes[1].Options().Addr}) {
		if name == "rueidis, told the keys" { // of a script; there are other commands here
			continue
		}
		t.Run(name, func(t *testing.T) {
			feedtest.TestSource(t, func(testing.TB) func() feed.Source {
				key := rand.Text()
				return func() feed.Source { return feedredis.New(do, key) }
			})
		})
	}
}

// A user of before who may not run scripts can still publish.
func TestFeedRedisPublishesWithoutTheRightToRunScripts(t *testing.T) {
	client, key := openRedis(t)
	user := "rampart_test_" + rand.Text()
	require.NoError(t, client.Do(t.Context(), "ACL", "SETUSER", user, "on", ">secret", "~"+key, "+@all", "-@scripting").Err())
	t.Cleanup(func() { client.Do(context.WithoutCancel(t.Context()), "ACL", "DELUSER", user) })
	options := *client.Options()
	options.Username, options.Password = user, "secret"
	limited := redis.NewClient(&options)
	t.Cleanup(func() { _ = limited.Close() })
	source := feedredis.New(redisDo(limited), key)
	for range 20 {
		_, err := source.Report(t.Context(), rampart.Instance{ID: "a"}, time.Hour)
		require.Error(t, err)
	}
	for range 20 {
		require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
	}
}
