package integration_test

import (
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
	"github.com/ecolaura/rampart/internal/logtest"
)

// setBack is a source, and what sets it back to where it was without its newest
// changes, as a restored dump or an older replica does.
type setBack struct {
	source  feed.Source
	restore func(t *testing.T, without int)
}

func setBackSQL(t *testing.T, db *sql.DB, d rampart.Dialect) setBack {
	return setBack{feedSource(t, db, d), func(t *testing.T, without int) {
		for _, statement := range []string{
			fmt.Sprintf(`DELETE FROM rampart_feed WHERE seq IN (SELECT seq FROM rampart_feed ORDER BY seq DESC LIMIT %d)`, without),
			map[rampart.Dialect]string{
				rampart.SQLite:     `UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(seq), 0) FROM rampart_feed) WHERE name = 'rampart_feed'`,
				rampart.PostgreSQL: `SELECT setval(pg_get_serial_sequence('rampart_feed', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM rampart_feed), false)`,
			}[d],
		} {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
	}}
}

func TestASourceThatWasSetBackLosesNoMeasure(t *testing.T) {
	for desc, open := range map[string]func(t *testing.T) setBack{
		"SQLite": func(t *testing.T) setBack {
			return setBackSQL(t, openSQLiteFile(t, filepath.Join(t.TempDir(), "feed.db")), rampart.SQLite)
		},
		"PostgreSQL": func(t *testing.T) setBack { return setBackSQL(t, openPostgres(t), rampart.PostgreSQL) },
		"Redis": func(t *testing.T) setBack {
			client, key := openRedis(t)
			return setBack{feedredis.New(redisDo(client), key), func(t *testing.T, without int) {
				entries, err := client.XRevRangeN(t.Context(), key, "+", "-", int64(without)).Result()
				require.NoError(t, err)
				var ids []string // at once: between two deletions an instance would publish again
				for _, e := range entries {
					ids = append(ids, e.ID)
				}
				require.NoError(t, client.XDel(t.Context(), key, ids...).Err())
			}}
		},
	} {
		for _, without := range []int{1, 10, 20} {
			t.Run(fmt.Sprintf("%s, by %d of 20", desc, without), func(t *testing.T) {
				t.Parallel()
				back := open(t)
				var log logtest.Records
				var feeds []*feed.Feed
				var known []func() map[string]bool
				for range 3 {
					f := follow(t, back.source, &log)
					defer f.Close()
					feeds, known = append(feeds, f), append(known, knownTo(f))
				}
				want := map[string]bool{"mallory": true}
				for i := range 20 {
					want[fmt.Sprint(i)] = true
					require.NoError(t, feeds[i%3].Publish(t.Context(), "t", fmt.Append(nil, i), time.Hour))
				}
				for _, all := range known {
					require.Eventually(t, func() bool { return len(all()) == 20 }, 30*time.Second, 10*time.Millisecond)
				}
				back.restore(t, without)
				require.NoError(t, feeds[0].Publish(t.Context(), "t", []byte("mallory"), time.Hour))
				assert.Equal(t, want, known[0](), "durable and in force here")
				for _, all := range known {
					require.Eventually(t, func() bool { return len(all()) == len(want) }, 30*time.Second, 10*time.Millisecond)
				}
				require.Eventually(t, func() bool {
					f := follow(t, back.source, &log)
					defer f.Close()
					return len(knownTo(f)()) == len(want)
				}, 30*time.Second, 100*time.Millisecond, "an instance that starts then")
				assert.Contains(t, log.String(), "sys_state_lost")
			})
		}
	}
}

func follow(t *testing.T, source feed.Source, log *logtest.Records) *feed.Feed {
	t.Helper()
	f, err := feed.New(t.Context(), feed.Config{Source: source, Poll: 100 * time.Millisecond, Logger: log.Logger()})
	require.NoError(t, err)
	return f
}

// knownTo returns what f has applied so far.
func knownTo(f *feed.Feed) func() map[string]bool {
	var mu sync.Mutex
	all := map[string]bool{}
	f.Subscribe("t", func(data []byte, _ time.Time) {
		mu.Lock()
		defer mu.Unlock()
		all[string(data)] = true
	})
	return func() map[string]bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(all)
	}
}
