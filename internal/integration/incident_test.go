package integration_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentredis"
	"github.com/ecolaura/rampart/incident/incidentsql"
	"github.com/ecolaura/rampart/incident/incidenttest"
)

func incidentSQLStore(t testing.TB, db *sql.DB, d rampart.Dialect) *incidentsql.Store {
	t.Helper()
	require.NoError(t, incidentsql.Migrate(t.Context(), db, d))
	store, err := incidentsql.New(db, d, incidentsql.Config{})
	require.NoError(t, err)
	return store
}

func TestIncidentSQLKeepsTheContract(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		incidenttest.TestStore(t, func(t testing.TB) func() incident.Store {
			db := s.open(t, "")
			require.NoError(t, incidentsql.Migrate(t.Context(), db, s.dialect))
			execute(t, db, `DELETE FROM rampart_orders`) // of the part before
			return func() incident.Store { return incidentSQLStore(t, s.open(t, ""), s.dialect) }
		})
	})
}

func TestIncidentSQLMakesItsTableInSeveralProcessesAtOnce(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			a, b := backend.open(t)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					assert.NoError(t, incidentsql.Migrate(t.Context(), []*sql.DB{a, b}[i%2], backend.dialect))
				})
			}
			wg.Wait()
		})
	}
}

func TestIncidentSQLDeletesOldOrders(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := incidentSQLStore(t, db, backend.dialect)
			const keep = 400 * 24 * time.Hour
			now := time.Now()
			begin := func(id int, at time.Time) {
				_, added, err := store.Begin(t.Context(), incident.Order{ID: fmt.Sprintf("%03d", id), At: at, Once: fmt.Sprint(id), State: incident.Done})
				require.NoError(t, err)
				require.True(t, added)
			}
			for i := range 20 { // 17 of them too old later on
				at := now.Add(-keep - time.Second)
				if i%7 == 3 {
					at = now.Add(-keep)
				}
				begin(i, at)
			}
			for i, want := range []int{20 - 8 + 1, 20 - 16 + 2, 3 + 3, 3 + 4} {
				begin(100+i, now)
				page, err := store.List(t.Context(), "", 100)
				require.NoError(t, err)
				assert.Len(t, page, want)
			}
			_, added, err := store.Begin(t.Context(), incident.Order{ID: "200", At: now, Once: "0"})
			require.NoError(t, err)
			assert.True(t, added, "its Once went with it")
		})
	}
}

func TestIncidentSQLReportsFailures(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := incidentSQLStore(t, db, backend.dialect)
			o := incident.Order{ID: "a", At: time.Now(), Once: "once"}
			_, _, err := store.Begin(t.Context(), o)
			require.NoError(t, err)
			execute(t, db, `UPDATE rampart_orders SET body = '['`)
			fails := func() {
				t.Helper()
				o := o
				o.ID = "b"
				_, _, begin := store.Begin(t.Context(), o)
				_, get := store.Get(t.Context(), "a")
				_, list := store.List(t.Context(), "", 10)
				for step, err := range map[string]error{"begin": begin, "get": get, "list": list} {
					assert.ErrorContains(t, err, "incidentsql: "+step+": ")
					assert.NotErrorIs(t, err, incident.ErrNoOrder)
				}
			}
			fails() // a row that cannot be read is not skipped
			execute(t, db, `DROP TABLE rampart_orders`)
			fails()
			assert.ErrorContains(t, store.Finish(t.Context(), o), "incidentsql: finish: ")
			require.NoError(t, db.Close())
			fails()
			assert.ErrorContains(t, incidentsql.Migrate(t.Context(), db, backend.dialect), "incidentsql: migrate: ")
		})
	}
}

func TestIncidentSQLPutsAKeyLastThoughAnotherClockIsAhead(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := incidentSQLStore(t, db, backend.dialect)
			put := func(id string) {
				t.Helper()
				require.NoError(t, store.PutKey(t.Context(), incident.SealedKey{Kind: "signing", ID: id}))
			}
			order := func() (ids string) {
				keys, err := store.Keys(t.Context(), "signing")
				require.NoError(t, err)
				for _, k := range keys {
					ids += k.ID
				}
				return ids
			}
			put("b")
			execute(t, db, `UPDATE rampart_keys SET put_at = put_at + 3600000000`) // by an instance whose clock is ahead
			put("c")
			put("a")
			assert.Equal(t, "bca", order())
			put("b")
			assert.Equal(t, "cab", order())
		})
	}
}

func TestIncidentSQLKeepsKeys(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			one, two := backend.open(t)
			a := incidentSQLStore(t, one, backend.dialect)
			b := incidentSQLStore(t, two, backend.dialect)
			first := incident.SealedKey{Kind: "signing", ID: "1", Sealed: "é\x00", OldUntil: time.Unix(7, 0).UTC()}
			second := incident.SealedKey{Kind: "signing", ID: "2", Sealed: "b"}
			other := incident.SealedKey{Kind: "field", ID: "1", Sealed: "c", Primary: true}
			kept := func(kind string, want ...incident.SealedKey) {
				t.Helper()
				for _, s := range []*incidentsql.Store{a, b} {
					got, err := s.Keys(t.Context(), kind)
					require.NoError(t, err)
					assert.Equal(t, want, got)
				}
			}
			kept("signing")
			for _, k := range []incident.SealedKey{first, second, other} {
				require.NoError(t, a.PutKey(t.Context(), k))
			}
			kept("signing", first, second)
			kept("field", other)
			first.Primary = true
			require.NoError(t, b.PutKey(t.Context(), first))
			kept("signing", second, first)
			execute(t, one, `UPDATE rampart_keys SET body = '['`)
			_, err := a.Keys(t.Context(), "field")
			require.ErrorContains(t, err, "incidentsql: keys: ")
			execute(t, one, `DROP TABLE rampart_keys`)
			_, err = a.Keys(t.Context(), "field")
			require.ErrorContains(t, err, "incidentsql: keys: ")
			require.ErrorContains(t, a.PutKey(t.Context(), first), "incidentsql: put key: ")
			require.Error(t, new(incidentsql.Store).PutKey(t.Context(), first))
			_, err = new(incidentsql.Store).Keys(t.Context(), "field")
			require.Error(t, err)
		})
	}
}

func incidentRedisStore(t testing.TB, do incidentredis.DoFunc, cfg incidentredis.Config) *incidentredis.Store {
	t.Helper()
	cfg.Timeout = 10 * time.Second
	store, err := incidentredis.New(do, cfg)
	require.NoError(t, err)
	return store
}

func TestIncidentRedisKeepsTheContract(t *testing.T) {
	for _, client := range redisClients() {
		t.Run(client.name, func(t *testing.T) {
			openRedis(t)
			do := client.open(t, redisAddr())
			incidenttest.TestStore(t, func(t testing.TB) func() incident.Store {
				t.Helper()
				_, prefix := redisPrefix(t)
				return func() incident.Store { return incidentRedisStore(t, do, incidentredis.Config{Prefix: prefix}) }
			})
		})
	}
}

// incidentRedisKeys returns how many milliseconds each key has left, by its name
// without the prefix.
func incidentRedisKeys(t *testing.T, client *goredis.Client, prefix string) map[string]time.Duration {
	t.Helper()
	left := map[string]time.Duration{}
	keys, err := client.Keys(t.Context(), "{"+prefix+"}:*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		left[key[len(prefix)+3:]], err = client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
	}
	return left
}

func TestIncidentRedisForgetsWhatIsOld(t *testing.T) {
	client, prefix := redisPrefix(t)
	store := incidentRedisStore(t, redisDo(client), incidentredis.Config{Prefix: prefix, Keep: 48 * time.Hour})
	begin := func(id int) {
		t.Helper()
		o := incident.Order{ID: fmt.Sprintf("%03d", id), At: time.Now(), Once: fmt.Sprint(id), State: incident.Open}
		_, added, err := store.Begin(t.Context(), o)
		require.NoError(t, err)
		require.True(t, added)
		o.State = incident.Done
		require.NoError(t, store.Finish(t.Context(), o))
	}
	for i := range 20 {
		begin(i)
	}
	keys := incidentRedisKeys(t, client, prefix)
	assert.Len(t, keys, 1+20+20)
	for name, left := range keys {
		assert.InDelta(t, (48 * time.Hour).Seconds(), left.Seconds(), 60, name)
	}

	// As if the oldest had been given long ago, and one in between.
	for i := range 19 {
		if i != 10 {
			require.NoError(t, client.Del(t.Context(), fmt.Sprintf("{%s}:order:%03d", prefix, i)).Err())
		}
	}
	list := func(before string, limit int) (ids []string) {
		t.Helper()
		page, err := store.List(t.Context(), before, limit)
		require.NoError(t, err)
		for _, o := range page {
			ids = append(ids, o.ID)
		}
		return ids
	}
	assert.Equal(t, []string{"019", "010"}, list("", 2), "what is gone leaves no gap in a page")
	assert.Equal(t, []string{"010"}, list("019", 5))
	members := func() int64 { return client.ZCard(t.Context(), "{"+prefix+"}:orders").Val() }
	for i, want := range []int64{20 + 1 - 8, 20 + 2 - 15, 20 + 3 - 18, 20 + 4 - 18} {
		begin(100 + i)
		assert.Equal(t, want, members(), i)
	}
	assert.Equal(t, []string{"103", "102", "101", "100", "019", "010"}, list("", 100))

	require.NoError(t, client.Del(t.Context(), "{"+prefix+"}:order:102").Err())
	assert.Equal(t, []string{"103", "101", "100"}, list("", 3))

	// A Once whose order is gone is free.
	_, added, err := store.Begin(t.Context(), incident.Order{ID: "200", At: time.Now(), Once: "3"})
	require.NoError(t, err)
	assert.True(t, added)
}

func TestIncidentRedisKeepsTheNewestOrders(t *testing.T) {
	client, prefix := redisPrefix(t)
	begin := func(maximum, id int) {
		t.Helper()
		store := incidentRedisStore(t, redisDo(client), incidentredis.Config{Prefix: prefix, Max: maximum})
		_, added, err := store.Begin(t.Context(), incident.Order{ID: fmt.Sprintf("%03d", id), At: time.Now(), Once: fmt.Sprint(id)})
		require.NoError(t, err)
		require.True(t, added)
	}
	orders := func() int {
		keys := len(incidentRedisKeys(t, client, prefix)) - 1
		require.Zero(t, keys%2, "each order has a Once, and takes it with it")
		return keys / 2
	}
	for i := range 30 {
		begin(0, i)
	}
	assert.Equal(t, 30, orders())
	for i, want := range []int{30 + 1 - 8, 30 + 2 - 16, 30 + 3 - 23, 10, 10} {
		begin(10, 30+i)
		assert.Equal(t, want, orders(), i)
		assert.EqualValues(t, want, client.ZCard(t.Context(), "{"+prefix+"}:orders").Val())
	}
	for i := range 12 {
		begin(1, 100+i)
	}
	assert.Equal(t, 1, orders())
	_, err := incidentRedisStore(t, redisDo(client), incidentredis.Config{Prefix: prefix}).Get(t.Context(), "111")
	assert.NoError(t, err)
}
