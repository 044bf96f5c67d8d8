package integration_test

import (
	"log/slog"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/authredis"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed/feedredis"
)

// TestAuthRedisAndFeedReadFromAServerThatIsFullOrAReplica takes the errors of a
// real server, whose texts the circuit breaker goes by. Scripts are flushed in
// between.
func TestAuthRedisAndFeedReadFromAServerThatIsFullOrAReplica(t *testing.T) {
	for desc, strike := range map[string][2][]any{
		"full":    {{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}},
		"replica": {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(desc, func(t *testing.T) {
			server, log := newMortalRedis(t), new(eventLog)
			client := goredis.NewClient(&goredis.Options{Addr: server.addr(), MaxRetries: -1})
			defer client.Close()
			ctx := t.Context()
			store, err := authredis.New(redisDo(client), authredis.Config{Timeout: 10 * time.Second, Logger: slog.New(slog.NewJSONHandler(log, nil))})
			require.NoError(t, err)
			source := feedredis.New(redisDo(client), "feed")
			ends := time.Now().Add(time.Hour)
			require.NoError(t, store.Create(ctx, session.Session{ID: "a", Subject: "1", AuthenticatedAt: time.Now(), Generation: 1, Expires: ends, Ends: ends}))
			require.NoError(t, source.Publish(ctx, "t", nil, time.Hour))
			revoke := func() error { return errOf(store.RevokeSubject(ctx, "2", time.Now())) }
			publish := func() error { return source.Publish(ctx, "t", nil, time.Hour) }

			require.NoError(t, client.Do(ctx, strike[0]...).Err())
			for range 20 {
				require.Error(t, revoke())
				require.Error(t, publish())
			}
			require.ErrorIs(t, revoke(), authredis.ErrOpen)
			require.NoError(t, client.ScriptFlush(ctx).Err())
			for range 20 {
				_, err := store.Get(ctx, "a")
				require.NoError(t, err)
				changes, err := source.Since(ctx, 0, 10)
				require.NoError(t, err)
				assert.Len(t, changes, 1)
			}
			assert.Equal(t, 1, log.count(`"event":"sys_backend_unavailable"`))
			require.NoError(t, client.Do(ctx, strike[1]...).Err())
			require.Eventually(t, func() bool { return revoke() == nil && publish() == nil }, 10*time.Second, 20*time.Millisecond)
			assert.Equal(t, 1, log.count(`"event":"sys_backend_recovered"`))
		})
	}
}
