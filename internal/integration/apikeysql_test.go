package integration_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/apikey/apikeytest"
)

// apikeyDatabases are the databases that package apikeysql speaks to.
var apikeyDatabases = []struct {
	dialect rampart.Dialect
	open    func(testing.TB) *sql.DB
}{
	{rampart.SQLite, openSQLite},
	{rampart.PostgreSQL, openPostgres},
}

func apikeyStore(t testing.TB, db *sql.DB, d rampart.Dialect) *apikeysql.Store {
	t.Helper()
	if err := apikeysql.Migrate(context.Background(), db, d); err != nil {
		t.Fatal(err)
	}
	s, err := apikeysql.New(db, d, apikeysql.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAPIKeySQLKeepsTheContract(t *testing.T) {
	for _, tt := range apikeyDatabases {
		t.Run(tt.dialect.String(), func(t *testing.T) {
			apikeytest.TestStore(t, func(t testing.TB) apikey.Store { return apikeyStore(t, tt.open(t), tt.dialect) })
		})
	}
}

func eachAPIKeyDatabase(t *testing.T, run func(t *testing.T, db *sql.DB, d rampart.Dialect)) {
	t.Helper()
	for _, tt := range apikeyDatabases {
		t.Run(tt.dialect.String(), func(t *testing.T) { run(t, tt.open(t), tt.dialect) })
	}
}

// newKeys returns Keys on a store, logging to the given writer.
func newKeys(t *testing.T, s apikey.Store, log io.Writer) *apikey.Keys {
	t.Helper()
	keys, err := apikey.New(apikey.Config{Store: s, Prefix: "eco_test", Logger: slog.New(slog.NewJSONHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { _ = keys.Close() })
	return keys
}

func whyNot(err error) rampart.Denial {
	if e, ok := errors.AsType[*apikey.Error](err); ok {
		return e.Reason
	}
	return ""
}

func TestAPIKeySQLMigratesOnceAmongSeveralServers(t *testing.T) {
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { assert.NoError(t, apikeysql.Migrate(t.Context(), db, d)) })
		}
		wg.Wait()
		s := apikeyStore(t, db, d)
		require.NoError(t, s.Insert(t.Context(), apikey.Key{ID: "a", Name: "n"}, []byte("h")))
		apikeyStore(t, db, d)
		_, _, err := s.Lookup(t.Context(), "a")
		require.NoError(t, err, "migrating again keeps what is there")
	})
}

func TestAPIKeySQLIsSharedByServers(t *testing.T) {
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		ctx := t.Context()
		one, two := newKeys(t, apikeyStore(t, db, d), io.Discard), newKeys(t, apikeyStore(t, db, d), io.Discard)
		k, secret, err := one.Create(ctx, apikey.Key{Name: "n", Owner: "alice", Expires: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		caller, err := two.Verify(ctx, secret.Reveal(), netip.Addr{})
		require.NoError(t, err)
		assert.Equal(t, "alice", caller.Owner())
		require.NoError(t, two.Close())
		page, err := one.List(ctx, apikey.Filter{Owner: "alice"})
		require.NoError(t, err)
		require.Len(t, page, 1)
		assert.Equal(t, k.Expires, page[0].Expires)
		assert.WithinDuration(t, time.Now(), page[0].LastUsed, time.Minute)
		require.NoError(t, one.Revoke(ctx, k.ID))
		_, err = two.Verify(ctx, secret.Reveal(), netip.Addr{})
		assert.Equal(t, apikey.KeyRevoked, whyNot(err))
	})
}

// TestAPIKeySQLRaces holds rotations, revocations and checks of one key against
// each other: never two successors, and no key accepted once its revocation has
// returned.
func TestAPIKeySQLRaces(t *testing.T) {
	rounds := 12
	if os.Getenv("RAMPART_BARS") != "" {
		rounds = 10_000
	}
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		db.SetMaxIdleConns(8) // else PostgreSQL spends the time on opening connections
		keys := newKeys(t, apikeyStore(t, db, d), io.Discard)
		for round := range rounds {
			apikeyRace(t, keys, fmt.Sprint("owner", round), round%2 == 0)
		}
	})
	t.Run("memory", func(t *testing.T) {
		for round := range max(rounds, 200) {
			keys := newKeys(t, apikey.NewMemoryStore(), io.Discard)
			apikeyRace(t, keys, "owner", round%2 == 0)
			require.NoError(t, keys.Close())
		}
	})
}

func apikeyRace(t *testing.T, keys *apikey.Keys, owner string, whole bool) {
	t.Helper()
	ctx := t.Context()
	k, secret, err := keys.Create(ctx, apikey.Key{Name: "n", Owner: owner})
	require.NoError(t, err)
	var rotated atomic.Int32
	var successor atomic.Pointer[apikey.Secret]
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, next, err := keys.Rotate(ctx, k.ID, time.Hour)
			switch whyNot(err) {
			case "":
				assert.NoError(t, err)
				rotated.Add(1)
				successor.Store(&next)
			case apikey.KeyRotated, apikey.KeyRevoked:
			default:
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if whole {
			_, err := keys.RevokeOwner(ctx, owner)
			assert.NoError(t, err)
		} else {
			assert.NoError(t, keys.Revoke(ctx, k.ID))
		}
		_, err := keys.Verify(ctx, secret.Reveal(), netip.Addr{})
		assert.Equal(t, apikey.KeyRevoked, whyNot(err), "accepted after the revocation returned")
	})
	wg.Go(func() {
		if _, err := keys.Verify(ctx, secret.Reveal(), netip.Addr{}); err != nil {
			assert.Equal(t, apikey.KeyRevoked, whyNot(err))
		}
	})
	wg.Wait()
	require.LessOrEqual(t, rotated.Load(), int32(1), "successors")
	page, err := keys.List(ctx, apikey.Filter{Owner: owner})
	require.NoError(t, err)
	require.Len(t, page, 1+int(rotated.Load()))
	if next := successor.Load(); next != nil {
		_, err := keys.Verify(ctx, next.Reveal(), netip.Addr{})
		if whole {
			require.Equal(t, apikey.KeyRevoked, whyNot(err), "a successor outlived its owner's revocation")
		} else {
			require.NoError(t, err)
		}
	}
}

func TestAPIKeySQLLeaksNothing(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys.db")
		apikeyLeaksNothing(t, openSQLiteFile(t, file), rampart.SQLite, func(t *testing.T) string {
			t.Helper()
			var dump strings.Builder
			for _, suffix := range []string{"", "-wal"} {
				text, err := os.ReadFile(file + suffix)
				require.NoError(t, err)
				dump.Write(text)
			}
			return dump.String()
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		db := openPostgres(t)
		apikeyLeaksNothing(t, db, rampart.PostgreSQL, func(t *testing.T) string {
			t.Helper()
			return postgresRows(t, db)
		})
	})
}

// postgresRows returns every row of every table in the schema of db, as text.
func postgresRows(t *testing.T, db *sql.DB) string {
	t.Helper()
	column := func(query string) (values []string) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var value string
			require.NoError(t, rows.Scan(&value))
			values = append(values, value)
		}
		require.NoError(t, rows.Err())
		return values
	}
	var all []string
	for _, table := range column(`SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = current_schema()`) {
		all = append(all, column(`SELECT r::text FROM `+table+` r`)...)
	}
	return strings.Join(all, "\n")
}

// apikeyLeaksNothing looks for secrets in the log and in what is stored.
func apikeyLeaksNothing(t *testing.T, db *sql.DB, d rampart.Dialect, stored func(*testing.T) string) {
	t.Helper()
	var log lockedBuffer
	keys := newKeys(t, apikeyStore(t, db, d), &log)
	n := 50
	if os.Getenv("RAMPART_BARS") != "" {
		n = 1000
	}
	var secrets []string
	for range n {
		k, secret, err := keys.Create(t.Context(), apikey.Key{Name: "n", Owner: "alice"})
		require.NoError(t, err)
		_, err = keys.Verify(t.Context(), secret.Reveal(), netip.Addr{})
		require.NoError(t, err)
		_, next, err := keys.Rotate(t.Context(), k.ID, time.Hour)
		require.NoError(t, err)
		secrets = append(secrets, secret.Reveal(), next.Reveal())
	}
	require.NoError(t, keys.Close())
	rows := stored(t)
	require.Contains(t, rows, "alice", "the keys are in it")
	dump := log.String() + rows
	for _, s := range secrets {
		secret := s[len(s)-36 : len(s)-6]
		require.False(t, strings.Contains(dump, secret) || strings.Contains(dump, hex.EncodeToString([]byte(secret))), "a secret leaks")
	}
	for i := range len(dump) - 62 {
		require.False(t, apikey.WellFormed("eco_test", dump[i:i+62]))
	}
}

// lockedBuffer is a buffer that several goroutines may write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestAPIKeySQLTellsFailureFromAbsence(t *testing.T) {
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		s := apikeyStore(t, db, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		now := time.Now()
		_, _, lookup := s.Lookup(ctx, "id")
		_, lookupHash := s.LookupHash(ctx, []byte("h"))
		_, revokeOwner := s.RevokeOwner(ctx, "alice", now)
		_, list := s.List(ctx, apikey.Filter{Limit: 1})
		for i, err := range []error{
			lookup, lookupHash, revokeOwner, list, s.Insert(ctx, apikey.Key{ID: "id"}, []byte("h")), s.UpdateHash(ctx, "id", []byte("h"), []byte("i")),
			s.Rotate(ctx, "id", now, apikey.Key{}, []byte("h")), s.Revoke(ctx, "id", now), s.Touch(ctx, map[string]time.Time{"id": now}), apikeysql.Migrate(ctx, db, d),
		} {
			require.Error(t, err, i)
			assert.False(t, errors.Is(err, apikey.ErrNotFound) || errors.Is(err, apikey.ErrConflict), "%d: %v", i, err)
			assert.ErrorContains(t, err, "apikeysql: ")
		}
	})
}

func TestAPIKeySQLRefusesARowThatItCannotRead(t *testing.T) {
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		s := apikeyStore(t, db, d)
		ctx := t.Context()
		require.NoError(t, s.Insert(ctx, apikey.Key{ID: "id", Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, []byte("h")))
		for _, broken := range []string{`allow = ''`, `allow = '["10.0.0.0"]'`, `allow = '[]', scopes = '{}'`, `scopes = '[]', meta = 'x'`} {
			_, err := db.ExecContext(ctx, `UPDATE rampart_api_keys SET `+broken)
			require.NoError(t, err)
			_, _, err = s.Lookup(ctx, "id")
			require.ErrorContains(t, err, "apikeysql: lookup", broken)
			_, err = s.List(ctx, apikey.Filter{Limit: 1})
			require.ErrorContains(t, err, "apikeysql: list", broken)
		}
		_, err := s.LookupHash(ctx, []byte("h"))
		require.ErrorContains(t, err, "apikeysql: lookup by hash")
	})
}

func TestAPIKeySQLTouchesMoreThanOneBatch(t *testing.T) {
	eachAPIKeyDatabase(t, func(t *testing.T, db *sql.DB, d rampart.Dialect) {
		s := apikeyStore(t, db, d)
		used := map[string]time.Time{}
		at := time.Now().UTC().Truncate(time.Microsecond)
		for i := range 501 {
			id := fmt.Sprintf("k%04d", i)
			used[id] = at
			if i%500 == 0 {
				require.NoError(t, s.Insert(t.Context(), apikey.Key{ID: id, Name: "n"}, []byte(id)))
			}
		}
		require.NoError(t, s.Touch(t.Context(), used))
		page, err := s.List(t.Context(), apikey.Filter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page, 2)
		for _, k := range page {
			assert.Equal(t, at, k.LastUsed)
		}
	})
}

func BenchmarkAPIKeySQLVerify(b *testing.B) {
	for _, tt := range apikeyDatabases {
		b.Run(tt.dialect.String(), func(b *testing.B) {
			keys, err := apikey.New(apikey.Config{Store: apikeyStore(b, tt.open(b), tt.dialect), Prefix: "eco_test", Logger: slog.New(slog.DiscardHandler)})
			require.NoError(b, err)
			_, secret, err := keys.Create(b.Context(), apikey.Key{Name: "n"})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keys.Verify(b.Context(), secret.Reveal(), netip.Addr{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
