package integration_test

import (
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/apikey/apikeytest"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedsql"
	"github.com/ecolaura/rampart/feed/feedtest"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// stores are the rooms that users have. Of each: the tables as the first release
// made them, which recorded no version, and what that release wrote and read.
// None of it changes, whatever the tables become.
var stores = []struct {
	name             string
	migrate          func(context.Context, *sql.DB, rampart.Dialect) error
	sqlite, postgres []string
	write            func(exec func(query string, args ...any), id string)
	read             string // counts the rows that hold what was written for an id
}{
	{
		"authsql", authsql.Migrate, firstSessions, firstSessions,
		func(exec func(string, ...any), id string) {
			exec(`INSERT INTO rampart_sessions (id, subject, authenticated_at, generation, rotated_at, expires_at, ends_at)
				VALUES (?, 'alice', 3000000, 1, 3000000, 4000000, 7000000000000000)`, id)
			exec(`UPDATE rampart_sessions SET generation = generation + 1, rotated_at = 5000000, expires_at = 6000000 WHERE id = ?`, id)
			exec(`INSERT INTO rampart_session_floors (subject, floor) VALUES ('alice', ?)
				ON CONFLICT (subject) DO UPDATE SET floor = excluded.floor`, 2000000)
		},
		`SELECT count(*) FROM rampart_sessions WHERE subject = 'alice' AND authenticated_at = 3000000 AND generation = 2 AND rotated_at = 5000000
			AND expires_at = 6000000 AND ends_at = 7000000000000000 AND NOT revoked AND id = ?
			AND EXISTS (SELECT 1 FROM rampart_session_floors WHERE subject = 'alice' AND floor = 2000000)`,
	},
	{
		"apikeysql", apikeysql.Migrate, firstKeys(`TEXT`, `BLOB`, `INTEGER`), firstKeys(`TEXT COLLATE "C"`, `BYTEA`, `BIGINT`),
		func(exec func(string, ...any), id string) {
			exec(`INSERT INTO rampart_api_keys (id, name, owner, plan, scopes, allow, meta, successor, created, expires, revoked, last_used, hash)
				VALUES (?, 'n', 'alice', 'p', '["a"]', '["10.0.0.0/8"]', '{"k":"v"}', '', 1000000, 0, 0, 0, ?) ON CONFLICT DO NOTHING`, id, []byte(id))
			exec(`UPDATE rampart_api_keys SET successor = 'next', expires = 9000000, last_used = 8000000 WHERE id = ? AND revoked = 0`, id)
		},
		`SELECT count(*) FROM rampart_api_keys WHERE name = 'n' AND owner = 'alice' AND plan = 'p' AND scopes = '["a"]' AND allow = '["10.0.0.0/8"]'
			AND meta = '{"k":"v"}' AND successor = 'next' AND created = 1000000 AND expires = 9000000 AND revoked = 0 AND last_used = 8000000 AND id = ?`,
	},
	{
		"feedsql", feedsql.Migrate, firstFeed(`INTEGER PRIMARY KEY AUTOINCREMENT`, `BLOB`), firstFeed(`BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY`, `BYTEA`),
		func(exec func(string, ...any), id string) {
			exec(`INSERT INTO rampart_feed (topic, data, expires_at) VALUES (?, ?, 7000000000000000)`, id, []byte("data"))
		},
		`SELECT count(*) FROM rampart_feed WHERE seq > 0 AND expires_at = 7000000000000000 AND topic = ?`,
	},
}

var firstSessions = []string{
	`CREATE TABLE IF NOT EXISTS rampart_sessions (
		id               TEXT    PRIMARY KEY,
		subject          TEXT    NOT NULL,
		authenticated_at BIGINT  NOT NULL,
		generation       BIGINT  NOT NULL,
		rotated_at       BIGINT  NOT NULL,
		expires_at       BIGINT  NOT NULL,
		ends_at          BIGINT  NOT NULL,
		revoked          BOOLEAN NOT NULL DEFAULT FALSE
	)`,
	`CREATE INDEX IF NOT EXISTS rampart_sessions_ends_at ON rampart_sessions (ends_at)`,
	`CREATE TABLE IF NOT EXISTS rampart_session_floors (
		subject TEXT   PRIMARY KEY,
		floor   BIGINT NOT NULL
	)`,
}

func firstKeys(id, bytes, number string) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS rampart_api_keys (
			id        ` + id + ` NOT NULL PRIMARY KEY,
			hash      ` + bytes + ` NOT NULL UNIQUE,
			name      TEXT NOT NULL,
			owner     TEXT NOT NULL,
			plan      TEXT NOT NULL,
			scopes    TEXT NOT NULL,
			allow     TEXT NOT NULL,
			meta      TEXT NOT NULL,
			successor TEXT NOT NULL,
			created   ` + number + ` NOT NULL,
			expires   ` + number + ` NOT NULL,
			revoked   ` + number + ` NOT NULL,
			last_used ` + number + ` NOT NULL
		)`,
		`CREATE INDEX IF NOT EXISTS rampart_api_keys_owner ON rampart_api_keys (owner, id)`,
	}
}

func firstFeed(seq, bytes string) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS rampart_feed (
			seq        ` + seq + `,
			topic      TEXT NOT NULL,
			data       ` + bytes + ` NOT NULL,
			expires_at BIGINT NOT NULL
		)`,
		`CREATE INDEX IF NOT EXISTS rampart_feed_expires_at ON rampart_feed (expires_at)`,
	}
}

// startFirst is a start of the first release.
func startFirst(t testing.TB, db *sql.DB, d rampart.Dialect) {
	t.Helper()
	for _, store := range stores {
		tables := store.sqlite
		if d == rampart.PostgreSQL {
			tables = store.postgres
		}
		execute(t, db, tables...)
	}
}

// firstThen starts the first release on an empty database, and then this one.
func firstThen(t testing.TB, db *sql.DB, d rampart.Dialect, migrate func(context.Context, *sql.DB, rampart.Dialect) error) {
	t.Helper()
	startFirst(t, db, d)
	require.NoError(t, migrate(t.Context(), db, d))
}

func TestSchemaServesTheFirstReleaseAndThisOne(t *testing.T) {
	for desc, ids := range map[string][]string{
		"the tables are the first release's": {"before", "after"},
		"the tables are this release's":      {"after"},
	} {
		t.Run(desc, func(t *testing.T) {
			eachSchemaDB(t, func(t *testing.T, s schemaDB) { servesBothReleases(t, s, ids) })
		})
	}
}

// servesBothReleases lets the first release write what has these ids, before and
// after this one starts.
func servesBothReleases(t *testing.T, s schemaDB, ids []string) {
	t.Helper()
	db := s.open(t, "")
	first := func(id string) {
		startFirst(t, db, s.dialect)
		for _, store := range stores {
			store.write(func(query string, args ...any) {
				_, err := db.ExecContext(t.Context(), sqlutil.Rebind(s.dialect, query), args...)
				require.NoError(t, err, query)
			}, id)
		}
	}
	if slices.Contains(ids, "before") {
		first("before")
	}
	for range 2 { // the second start has nothing to do, and is not refused
		for _, store := range stores {
			require.NoError(t, store.migrate(t.Context(), db, s.dialect), store.name)
		}
	}
	first("after")
	assert.Equal(t, "apikeysql 1, authsql 1, authsql 2, feedsql 1, feedsql 2", recordedVersions(t, db))
	for _, id := range ids {
		for _, store := range stores {
			var n int
			require.NoError(t, db.QueryRowContext(t.Context(), sqlutil.Rebind(s.dialect, store.read), id).Scan(&n))
			assert.Equal(t, 1, n, "%s: %s", store.name, id)
		}
		holdsWhatTheFirstReleaseWrote(t, db, s.dialect, id)
	}
}

// holdsWhatTheFirstReleaseWrote asks the stores of this release.
func holdsWhatTheFirstReleaseWrote(t *testing.T, db *sql.DB, d rampart.Dialect, id string) {
	t.Helper()
	sessions, err := authsql.New(db, d, authsql.Config{})
	require.NoError(t, err)
	row, err := sessions.Get(t.Context(), id)
	require.NoError(t, err)
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	assert.Equal(t, session.Session{
		ID: id, Subject: "alice", AuthenticatedAt: at(3), Generation: 2, RotatedAt: at(5), Expires: at(6), Ends: at(7_000_000_000),
	}, row)
	require.ErrorIs(t, sessions.Create(t.Context(), session.Session{ID: "old", Subject: "alice", AuthenticatedAt: at(1)}), session.ErrSuperseded, "the floor is kept")

	keys, err := apikeysql.New(db, d, apikeysql.Config{})
	require.NoError(t, err)
	key, hash, err := keys.Lookup(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, []byte(id), hash)
	assert.Equal(t, apikey.Key{
		ID: id, Name: "n", Owner: "alice", Plan: "p", Scopes: []string{"a"}, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Meta: map[string]string{"k": "v"}, Successor: "next", Created: at(1), Expires: at(9), LastUsed: at(8),
	}, key)

	source, err := feedsql.New(db, d)
	require.NoError(t, err)
	changes, err := source.Since(t.Context(), 0, 100)
	require.NoError(t, err)
	assert.True(t, slices.ContainsFunc(changes, func(c feed.Change) bool { return c.Topic == id && string(c.Data) == "data" }))
}

func TestStoresKeepTheirContractOnTheTablesOfTheFirstRelease(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			authtest.TestStore(t, func(t testing.TB) session.Store {
				t.Helper()
				db, _ := backend.open(t)
				firstThen(t, db, backend.dialect, authsql.Migrate)
				return authStore(t, db, backend.dialect)
			})
			apikeytest.TestStore(t, func(t testing.TB) apikey.Store {
				t.Helper()
				db, _ := backend.open(t)
				firstThen(t, db, backend.dialect, apikeysql.Migrate)
				return apikeyStore(t, db, backend.dialect)
			})
			feedtest.TestSource(t, func(t testing.TB) func() feed.Source {
				t.Helper()
				db, _ := backend.open(t)
				firstThen(t, db, backend.dialect, feedsql.Migrate)
				return func() feed.Source { return feedSource(t, db, backend.dialect) }
			})
		})
	}
}
