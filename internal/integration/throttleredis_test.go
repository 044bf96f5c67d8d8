package integration_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
	"github.com/ecolaura/rampart/throttle/throttletest"
)

func goRedisThrottle(client redis.UniversalClient) throttleredis.DoFunc {
	return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
}

func TestThrottleRedisKeepsTheContract(t *testing.T) {
	throttletest.TestStore(t, func(t testing.TB) throttle.Store {
		client, prefix := openRedis(t)
		store, err := throttleredis.New(goRedisThrottle(client), throttleredis.Config{Prefix: prefix})
		require.NoError(t, err)
		return store
	})
}
