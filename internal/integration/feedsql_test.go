package integration_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedsql"
	"github.com/ecolaura/rampart/feed/feedtest"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func feedSource(t testing.TB, db *sql.DB, d rampart.Dialect) feed.Source {
	t.Helper()
	require.NoError(t, feedsql.Migrate(t.Context(), db, d))
	source, err := feedsql.New(db, d)
	require.NoError(t, err)
	return source
}

func TestFeedSQLSource(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		feedtest.TestSource(t, func(t testing.TB) func() feed.Source {
			file := filepath.Join(t.TempDir(), "feed.db")
			return func() feed.Source { return feedSource(t, openSQLiteFile(t, file), rampart.SQLite) }
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		feedtest.TestSource(t, func(t testing.TB) func() feed.Source {
			db := openPostgres(t)
			return func() feed.Source { return feedSource(t, db, rampart.PostgreSQL) }
		})
	})
}

func TestFeedSQLMakesItsTableInSeveralProcessesAtOnce(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			a, b := backend.open(t)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					assert.NoError(t, feedsql.Migrate(t.Context(), []*sql.DB{a, b}[i%2], backend.dialect))
				})
			}
			wg.Wait()
		})
	}
}

// TestFeedPostgresPublishersWaitForEachOther holds the lock as a publisher does
// that has its sequence number but has not committed.
func TestFeedPostgresPublishersWaitForEachOther(t *testing.T) {
	db := openPostgres(t)
	source := feedSource(t, db, rampart.PostgreSQL)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock($1)", int64(0x72616d7061727402))
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO rampart_feed (topic, data, expires_at) VALUES ('t', '', 9e15)")
	require.NoError(t, err)
	second := make(chan error, 1)
	go func() { second <- source.Publish(t.Context(), "t", nil, time.Hour) }()
	select {
	case err := <-second:
		t.Fatalf("the second publisher overtook the first: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	changes, err := source.Since(t.Context(), 0, 10)
	require.NoError(t, err)
	assert.Empty(t, changes)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-second)
	changes, err = source.Since(t.Context(), 0, 10)
	require.NoError(t, err)
	assert.Len(t, changes, 2)
}

func TestFeedSQLDeletesExpiredChanges(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			source := feedSource(t, db, backend.dialect)
			for range 40 {
				require.NoError(t, source.Publish(t.Context(), "t", nil, time.Millisecond))
			}
			time.Sleep(20 * time.Millisecond)
			for range feed.Kept {
				_, err := db.ExecContext(t.Context(), "INSERT INTO rampart_feed (topic, data, expires_at) VALUES ('t', '', 0)")
				require.NoError(t, err)
			}
			for range 4 {
				require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
			}
			var rows int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM rampart_feed").Scan(&rows))
			assert.Equal(t, feed.Kept, rows, "of which readers know where they are")
		})
	}
}

func TestFeedSQLReportsFailures(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			source := feedSource(t, db, backend.dialect)
			_, err := db.ExecContext(t.Context(), "DROP TABLE rampart_feed")
			require.NoError(t, err)
			assert.Error(t, source.Publish(t.Context(), "t", nil, time.Hour))
			_, err = source.Since(t.Context(), 0, 10)
			assert.Error(t, err)
			_, err = db.ExecContext(t.Context(), "DROP TABLE rampart_feed_instances")
			require.NoError(t, err)
			for _, keep := range []time.Duration{0, time.Hour} {
				_, err = source.Report(t.Context(), rampart.Instance{ID: "a"}, keep)
				assert.Error(t, err)
			}
			require.NoError(t, db.Close())
			assert.Error(t, source.Publish(t.Context(), "t", nil, time.Hour))
			assert.ErrorContains(t, feedsql.Migrate(t.Context(), db, backend.dialect), "feedsql: migrate: ")
		})
	}
}

func TestFeedSQLPublishesNothingThatItCannotFinish(t *testing.T) {
	db := openSQLiteFile(t, filepath.Join(t.TempDir(), "feed.db"))
	source := feedSource(t, db, rampart.SQLite)
	require.NoError(t, source.Publish(t.Context(), "t", []byte("old"), -time.Hour))
	for _, statement := range []string{
		`UPDATE rampart_feed SET seq = -1000`,
		`CREATE TRIGGER keep BEFORE DELETE ON rampart_feed BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`,
		`INSERT INTO rampart_feed (topic, data, expires_at) VALUES ('t', 'old', 0)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	assert.ErrorContains(t, source.Publish(t.Context(), "t", []byte("new"), time.Hour), "the disk is full")
	found, err := source.Since(t.Context(), 0, 10)
	require.NoError(t, err)
	assert.Len(t, found, 1, "the change and its clean-up are one transaction")

	_, err = db.ExecContext(t.Context(), `INSERT INTO rampart_feed (topic, data, expires_at) VALUES ('t', 'x', 'soon')`)
	require.NoError(t, err)
	_, err = source.Since(t.Context(), 0, 10)
	assert.Error(t, err, "a row that cannot be read is not skipped")
}

func TestFeedSQLConfigMistakes(t *testing.T) {
	_, err := feedsql.New(nil, 0)
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(err))
}

// TestFeedSQLSurvivesKill9 kills a publishing process, and looks for each change
// that it knew to be published.
func TestFeedSQLSurvivesKill9(t *testing.T) {
	if file := os.Getenv("RAMPART_FEED_CHILD"); file != "" {
		publishForever(t, file)
	}
	file := filepath.Join(t.TempDir(), "feed.db")
	source := feedSource(t, openSQLiteFile(t, file), rampart.SQLite)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for round := range 3 {
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFeedSQLSurvivesKill9$")
		child.Env = append(os.Environ(), "RAMPART_FEED_CHILD="+file)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		var published []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			published = append(published, lines.Text())
			if len(published) == 20+round {
				require.NoError(t, child.Process.Kill())
			}
		}
		require.Error(t, child.Wait())
		require.GreaterOrEqual(t, len(published), 20)
		kept := map[string]bool{}
		changes, err := source.Since(t.Context(), 0, 100_000)
		require.NoError(t, err)
		for _, c := range changes {
			kept[string(c.Data)] = true
		}
		for _, p := range published {
			require.True(t, kept[p], p)
		}
		require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour), "its lock is gone with it")
	}
}

func publishForever(t testing.TB, file string) {
	t.Helper()
	source := feedSource(t, openSQLiteFile(t, file), rampart.SQLite)
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d %d", os.Getpid(), i)
		require.NoError(t, source.Publish(t.Context(), "t", []byte(id), time.Hour))
		fmt.Fprintln(os.Stdout, id)
	}
}

func TestFeedSQLDeletesExpiredInstances(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			source := feedSource(t, db, backend.dialect)
			report := func(id string, keep time.Duration) {
				t.Helper()
				_, err := source.Report(t.Context(), rampart.Instance{ID: id}, keep)
				require.NoError(t, err)
			}
			report("a", time.Millisecond)
			report("b", time.Hour)
			time.Sleep(20 * time.Millisecond)
			report("c", time.Hour)
			assert.Equal(t, 2, count(t, db, "SELECT count(*) FROM rampart_feed_instances"))
		})
	}
}

func TestFeedSQLListsAThousandInstances(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			source := feedSource(t, db, backend.dialect)
			for i := range 1000 {
				_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO rampart_feed_instances (id, version, started_at, seq, seen_at, expires_at)
					VALUES ('%d', '', 0, 7, %d, 7000000000000000)`, i, 1000+i))
				require.NoError(t, err)
			}
			all, err := source.Report(t.Context(), rampart.Instance{ID: "self", Started: time.Now()}, time.Hour)
			require.NoError(t, err)
			require.Len(t, all, 1000)
			assert.Equal(t, "self", all[999].ID)
			for _, in := range all {
				assert.NotEqual(t, "0", in.ID, "that was seen longest ago")
			}
		})
	}
}

func TestFeedSQLReportsWhatItCannotReadOrDelete(t *testing.T) {
	db := openSQLiteFile(t, filepath.Join(t.TempDir(), "feed.db"))
	source := feedSource(t, db, rampart.SQLite)
	execute(t, db,
		`CREATE TRIGGER keep BEFORE DELETE ON rampart_feed_instances BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`,
		`INSERT INTO rampart_feed_instances (id, version, started_at, seq, seen_at, expires_at) VALUES ('a', '', 0, 0, 0, 0)`)
	_, err := source.Report(t.Context(), rampart.Instance{ID: "b"}, time.Hour)
	require.ErrorContains(t, err, "the disk is full")
	execute(t, db, `UPDATE rampart_feed_instances SET seq = 'many', expires_at = 7000000000000000`)
	_, err = source.Report(t.Context(), rampart.Instance{ID: "b"}, time.Hour)
	require.Error(t, err)
}

// TestFeedSQLReportsWhileOthersWrite: nobody's write waits for a transaction of a
// report, nor fails for one.
func TestFeedSQLReportsWhileOthersWrite(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			a, b := backend.open(t)
			sources := []feed.Source{feedSource(t, a, backend.dialect), feedSource(t, b, backend.dialect)}
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for range 25 {
						_, err := sources[i%2].Report(t.Context(), rampart.Instance{ID: fmt.Sprint(i)}, time.Millisecond) // so that all delete
						assert.NoError(t, err)
						assert.NoError(t, sources[i%2].Publish(t.Context(), "t", nil, time.Hour))
					}
				})
			}
			wg.Wait()
		})
	}
}
