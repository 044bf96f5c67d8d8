package integration_test

import (
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttlesql"
	"github.com/ecolaura/rampart/throttle/throttletest"
)

func throttleSQL(t testing.TB, db *sql.DB, d rampart.Dialect) *throttlesql.Store {
	t.Helper()
	require.NoError(t, throttlesql.Migrate(t.Context(), db, d))
	store, err := throttlesql.New(db, d, throttlesql.Config{})
	require.NoError(t, err)
	return store
}

func TestThrottleSQLKeepsTheContract(t *testing.T) {
	for _, b := range authBackends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			throttletest.TestStore(t, func(t testing.TB) throttle.Store {
				db, _ := b.open(t)
				return throttleSQL(t, db, b.dialect)
			})
		})
	}
}

func TestThrottleSQLSharesAQuotaAndKeepsItOverARestart(t *testing.T) {
	for _, b := range authBackends() {
		t.Run(b.name, func(t *testing.T) {
			first, second := b.open(t)
			stores := []*throttlesql.Store{throttleSQL(t, first, b.dialect), throttleSQL(t, second, b.dialect)}
			items := []throttle.Item{
				{Policy: "day", Key: "ann", Rate: throttle.Rate{Count: 100, Period: 24 * time.Hour}, Cost: 1},
				{Policy: "second", Key: "ann", Rate: throttle.Rate{Count: 1000, Period: time.Second}, Algorithm: throttle.TokenBucket, Cost: 1},
			}
			var passed atomic.Int32
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					mine := []throttle.Item{items[i%2], items[1-i%2]} // in either order
					for range 20 {
						ok, err := stores[i%2].Take(t.Context(), mine, make([]throttle.Result, 2))
						assert.NoError(t, err)
						if ok {
							passed.Add(1)
						}
					}
				})
			}
			wg.Wait()
			assert.EqualValues(t, 100, passed.Load())

			again, err := throttlesql.New(second, b.dialect, throttlesql.Config{})
			require.NoError(t, err)
			out := make([]throttle.Result, 1)
			ok, err := again.Take(t.Context(), items[:1], out)
			require.NoError(t, err)
			assert.False(t, ok)
			assert.Greater(t, out[0].RetryAfter, 23*time.Hour)
			require.NoError(t, again.Reset(t.Context(), "day", "somebody else", "ann"))
			ok, err = stores[0].Take(t.Context(), items[:1], out)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, 99, out[0].Remaining)
		})
	}
}

func TestThrottleSQLForgetsBucketsThatAreFullAgain(t *testing.T) {
	for _, b := range authBackends() {
		t.Run(b.name, func(t *testing.T) {
			db, _ := b.open(t)
			store := throttleSQL(t, db, b.dialect)
			take := func(key string, period time.Duration) {
				ok, err := store.Take(t.Context(), []throttle.Item{{Policy: "p", Key: key, Rate: throttle.Rate{Count: 5, Period: period}, Cost: 1}}, make([]throttle.Result, 1))
				require.NoError(t, err)
				require.True(t, ok)
			}
			take("kept", time.Hour)
			for i := range 200 {
				take(string(rune('0'+i)), time.Microsecond)
			}
			var left int
			require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM rampart_throttle`).Scan(&left))
			assert.Less(t, left, 70)
			ok, err := store.Take(t.Context(), []throttle.Item{{Policy: "p", Key: "kept", Rate: throttle.Rate{Count: 5, Period: time.Hour}, Cost: 5}}, make([]throttle.Result, 1))
			require.NoError(t, err)
			assert.False(t, ok)
		})
	}
}

func TestThrottleSQLFailsAsAStoreDoes(t *testing.T) {
	_, err := throttlesql.New(nil, 0, throttlesql.Config{Timeout: time.Hour})
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"\nTimeout: invalid: \"1h0m0s\"", conferrtest.Text(err))

	item := []throttle.Item{{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 5, Period: time.Hour}, Cost: 1}}
	var zero throttlesql.Store
	_, err = zero.Take(t.Context(), item, make([]throttle.Result, 1))
	require.ErrorContains(t, err, "throttlesql: take")
	require.Error(t, zero.Give(t.Context(), item))
	require.Error(t, zero.Reset(t.Context(), "p", "k"))

	for _, b := range authBackends() {
		db, _ := b.open(t)
		store, err := throttlesql.New(db, b.dialect, throttlesql.Config{}) // without its table
		require.NoError(t, err)
		ok, err := store.Take(t.Context(), item, make([]throttle.Result, 1))
		require.Error(t, err)
		assert.False(t, ok)
		require.Error(t, store.Give(t.Context(), item))
		require.Error(t, store.Reset(t.Context(), "p", "k"))
		require.NoError(t, db.Close())
		_, err = store.Take(t.Context(), item, make([]throttle.Result, 1))
		require.Error(t, err)
	}
}
