package integration_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
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
				for _, e := range entries {
					require.NoError(t, client.XDel(t.Context(), key, e.ID).Err())
				}
			}}
		},
	} {
		for _, without := range []int{1, 10, 20} {
			t.Run(fmt.Sprintf("%s, by %d of 20", desc, without), func(t *testing.T) {
				t.Parallel()
				back := open(t)
				var log logtest.Records
				var feeds []*feed.Feed
				follow := func() *feed.Feed {
					f, err := feed.New(t.Context(), feed.Config{Source: back.source, Poll: 100 * time.Millisecond, Logger: log.Logger()})
					require.NoError(t, err)
					t.Cleanup(func() { assert.NoError(t, f.Close()) })
					return f
				}
				for range 3 {
					feeds = append(feeds, follow())
				}
				want := map[string]bool{"mallory": true}
				for i := range 20 {
					want[fmt.Sprint(i)] = true
					require.NoError(t, feeds[i%3].Publish(t.Context(), "t", fmt.Append(nil, i), time.Hour))
				}
				retained := func(f *feed.Feed) map[string]bool {
					got := map[string]bool{}
					f.Subscribe("t", func(data []byte, _ time.Time) { got[string(data)] = true })
					return got
				}
				for _, f := range feeds {
					require.Eventually(t, func() bool { return len(retained(f)) == 20 }, 10*time.Second, 10*time.Millisecond)
				}
				back.restore(t, without)
				require.NoError(t, feeds[0].Publish(t.Context(), "t", []byte("mallory"), time.Hour))
				assert.Equal(t, want, retained(feeds[0]), "durable and in force here")
				for _, f := range feeds {
					require.Eventually(t, func() bool { return len(retained(f)) == len(want) }, 10*time.Second, 10*time.Millisecond)
				}
				require.Eventually(t, func() bool { return len(retained(follow())) == len(want) }, 10*time.Second, 100*time.Millisecond, "an instance that starts then")
				assert.Contains(t, log.String(), "sys_state_lost")
			})
		}
	}
}
