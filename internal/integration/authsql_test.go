package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// authBackend opens two handles on one empty database, as two processes have.
type authBackend struct {
	name    string
	dialect rampart.Dialect
	open    func(testing.TB) (a, b *sql.DB)
}

func authBackends() []authBackend {
	return []authBackend{
		{"SQLite", rampart.SQLite, func(t testing.TB) (*sql.DB, *sql.DB) {
			t.Helper()
			file := filepath.Join(t.TempDir(), "auth.db")
			return openSQLiteFile(t, file), openSQLiteFile(t, file)
		}},
		{"PostgreSQL", rampart.PostgreSQL, func(t testing.TB) (*sql.DB, *sql.DB) {
			t.Helper()
			db := openPostgres(t)
			db.SetMaxOpenConns(8) // each a process of its own for the server
			db.SetMaxIdleConns(8)
			return db, db
		}},
	}
}

func authStore(t testing.TB, db *sql.DB, d rampart.Dialect) *authsql.Store {
	t.Helper()
	require.NoError(t, authsql.Migrate(t.Context(), db, d))
	store, err := authsql.New(db, d)
	require.NoError(t, err)
	return store
}

func TestAuthSQLStore(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			authtest.TestStore(t, func(t testing.TB) session.Store {
				t.Helper()
				db, _ := backend.open(t)
				return authStore(t, db, backend.dialect)
			})
		})
	}
}

func TestAuthSQLMigratesInSeveralProcessesAtOnce(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			a, b := backend.open(t)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					db := a
					if i%2 == 1 {
						db = b
					}
					assert.NoError(t, authsql.Migrate(t.Context(), db, backend.dialect))
				})
			}
			wg.Wait()
		})
	}
}

const authSecret = "0123456789abcdef0123456789abcdef"

// everybody is a Users that lets all in.
type everybody struct{}

func (everybody) Login(_ context.Context, name, _ string) (string, error) { return name, nil }
func (everybody) Active(context.Context, string) (bool, error)            { return true, nil }

func authService(t testing.TB, store session.Store, grace time.Duration) (*session.Service, *auth.Verifier) {
	t.Helper()
	cfg := session.Simplejwt([]byte(authSecret))
	cfg.Tokens.Revoked, cfg.Tokens.Logger = session.RevokedIn(store), slog.New(slog.DiscardHandler)
	v, err := auth.NewVerifier(cfg.Tokens)
	require.NoError(t, err)
	cfg.Users, cfg.Sessions = everybody{}, store
	cfg.NoRotation, cfg.Grace, cfg.Logger = false, grace, slog.New(slog.DiscardHandler)
	s, err := session.New(cfg)
	require.NoError(t, err)
	return s, v
}

func TestAuthSQLRevocationReachesTheOtherProcessAtOnce(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			dbA, dbB := backend.open(t)
			a, _ := authService(t, authStore(t, dbA, backend.dialect), 0)
			b, verifier := authService(t, authStore(t, dbB, backend.dialect), 0)
			for desc, end := range map[string]func(*session.Pair) error{
				"EndSession": func(p *session.Pair) error { return a.EndSession(t.Context(), p.Session) },
				"EndSubject": func(*session.Pair) error { return a.EndSubject(t.Context(), "1") },
				"EndAll":     func(*session.Pair) error { return a.EndAll(t.Context(), time.Time{}) },
			} {
				pair, err := a.Issue(t.Context(), "1", nil)
				require.NoError(t, err)
				_, err = verifier.Verify(t.Context(), pair.Access, auth.Access)
				require.NoError(t, err, desc)
				require.NoError(t, end(pair))
				_, err = verifier.Verify(t.Context(), pair.Access, auth.Access)
				require.Error(t, err, desc)
				_, err = b.Refresh(t.Context(), pair.Refresh)
				require.Error(t, err, desc)
			}
		})
	}
}

func TestAuthSQLDeletesEndedSessions(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := authStore(t, db, backend.dialect)
			create := func(id string, ends time.Time) {
				require.NoError(t, store.Create(t.Context(), session.Session{
					ID: id, Subject: "1", AuthenticatedAt: time.Now(), Generation: 1, RotatedAt: time.Now(), Expires: ends, Ends: ends,
				}))
			}
			for i := range 20 { // each deletes the one before it, then itself
				create(fmt.Sprint("ended", i), time.Now().Add(-time.Hour))
			}
			create("live", time.Now().Add(time.Hour))
			var rows int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM rampart_sessions").Scan(&rows))
			assert.Equal(t, 1, rows)
		})
	}
}

func TestAuthSQLReportsFailures(t *testing.T) {
	db, _ := authBackends()[0].open(t)
	store, err := authsql.New(db, rampart.SQLite)
	require.NoError(t, err)
	assert.ErrorContains(t, store.Create(t.Context(), session.Session{ID: "a"}), "authsql: create: ") // no table
	_, err = db.ExecContext(t.Context(), "CREATE TABLE rampart_sessions (other TEXT)")
	require.NoError(t, err)
	assert.ErrorContains(t, authsql.Migrate(t.Context(), db, rampart.SQLite), "authsql: migrate: ")
	require.NoError(t, db.Close())
	ctx, now := t.Context(), time.Now()
	_, getErr := store.Get(ctx, "a")
	_, _, advanceErr := store.Advance(ctx, "a", 1, now, now)
	for prefix, err := range map[string]error{
		"authsql: migrate: ":        authsql.Migrate(ctx, db, rampart.SQLite),
		"authsql: create: ":         store.Create(ctx, session.Session{ID: "a"}),
		"authsql: get: ":            getErr,
		"authsql: advance: ":        advanceErr,
		"authsql: revoke: ":         store.Revoke(ctx, "a"),
		"authsql: revoke subject: ": errors.Join(store.RevokeSubject(ctx, "1", now), store.RevokeBefore(ctx, now)),
	} {
		assert.ErrorContains(t, err, prefix)
	}
	pg, err := authsql.New(db, rampart.PostgreSQL)
	require.NoError(t, err)
	_, err = pg.Now(ctx)
	assert.ErrorContains(t, err, "authsql: now: ")
}

func TestAuthSQLConfigMistakes(t *testing.T) {
	_, err := authsql.New(nil, 0)
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(err))
	assert.Error(t, authsql.Migrate(t.Context(), nil, rampart.SQLite))
}

func TestAuthSQLEndsSessionsTogetherWithTheApplicationsOwnChange(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, other := backend.open(t)
			store := authStore(t, db, backend.dialect)
			s, _ := authService(t, authStore(t, other, backend.dialect), 0)
			_, err := db.ExecContext(t.Context(), "CREATE TABLE users (password TEXT)")
			require.NoError(t, err)
			change := func(keep bool) {
				tx, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				_, err = tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('new')")
				require.NoError(t, err)
				now, err := store.In(tx).Now(t.Context())
				require.NoError(t, err)
				require.NoError(t, store.In(tx).RevokeSubject(t.Context(), "1", now))
				if keep {
					require.NoError(t, tx.Commit())
				} else {
					require.NoError(t, tx.Rollback())
				}
			}
			pair, err := s.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			change(false)
			pair, err = s.Refresh(t.Context(), pair.Refresh)
			require.NoError(t, err, "nothing has changed")
			change(true)
			_, err = s.Refresh(t.Context(), pair.Refresh)
			require.Error(t, err)
			var users int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM users").Scan(&users))
			assert.Equal(t, 1, users)
			pair, err = s.Issue(t.Context(), "1", nil)
			require.NoError(t, err, "a log-in that began after it")
			_, err = s.Refresh(t.Context(), pair.Refresh)
			assert.NoError(t, err)
		})
	}
}
