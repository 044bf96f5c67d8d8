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
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/jose/josetest"
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
	store, err := authsql.New(db, d, authsql.Config{})
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

// errOf returns the error of a call that answers something, too.
func errOf[T any](_ T, err error) error { return err }

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
				"EndSession": func(p *session.Pair) error { return errOf(a.EndSession(t.Context(), p.Session)) },
				"EndSubject": func(*session.Pair) error { return errOf(a.EndSubject(t.Context(), "1")) },
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

func TestASessionThatEndsInOneProcessIsNotListedByAnother(t *testing.T) {
	for name, backend := range sharedBackends() {
		t.Run(name, func(t *testing.T) {
			at := backend(t)
			storeA, _ := at.open(t)
			storeB, _ := at.open(t)
			a, _ := authService(t, storeA, 0)
			b, _ := authService(t, storeB, 0)
			sessions := func() (ids []string) {
				live, err := b.Sessions(t.Context(), "1")
				require.NoError(t, err)
				for _, s := range live {
					ids = append(ids, s.ID)
				}
				return ids
			}
			old, err := a.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			young, err := a.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			assert.Equal(t, []string{young.Session, old.Session}, sessions())
			ended, err := a.EndSession(t.Context(), young.Session)
			require.NoError(t, err)
			assert.Equal(t, 1, ended)
			assert.Equal(t, []string{old.Session}, sessions())
			ended, err = a.EndSubject(t.Context(), "1")
			require.NoError(t, err)
			assert.Equal(t, 1, ended)
			assert.Empty(t, sessions())
		})
	}
}

func TestAuthSQLCountsNoSessionThatAnotherTransactionEnds(t *testing.T) {
	db := openPostgres(t)
	store := authStore(t, db, rampart.PostgreSQL)
	s, _ := authService(t, store, 0)
	require.NoError(t, errOf(s.Issue(t.Context(), "1", nil)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ended, err := store.In(tx).RevokeSubject(t.Context(), "1", time.Now())
	require.NoError(t, err)
	assert.Equal(t, 1, ended)
	waiting := make(chan int)
	go func() {
		n, err := s.EndSubject(t.Context(), "1")
		assert.NoError(t, err)
		waiting <- n
	}()
	require.Eventually(t, func() bool {
		var n int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE rampart_sessions SET revoked%'`).Scan(&n)
		return err == nil && n > 0
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, tx.Commit())
	assert.Zero(t, <-waiting)
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

func TestAuthSQLDeletesASubjectsOwnExpiredSessionsADayLater(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := authStore(t, db, backend.dialect)
			create := func(id, subject string, expired time.Duration) {
				require.NoError(t, store.Create(t.Context(), session.Session{
					ID: id, Subject: subject, AuthenticatedAt: time.Now(), Generation: 1, RotatedAt: time.Now(),
					Expires: time.Now().Add(-expired), Ends: time.Now().Add(time.Hour),
				}))
			}
			foreign := jose.ForeignSession("django", "jti")
			create(foreign, "1", 25*time.Hour)
			create("another subject's", "2", 0)
			execute(t, db, "UPDATE rampart_sessions SET expires_at = 1 WHERE subject = '2'")
			create("of yesterday", "1", 23*time.Hour)
			for i := range 20 { // each deletes itself
				create(fmt.Sprint("ended", i), "1", 25*time.Hour)
			}
			create("live", "1", -time.Hour)
			rows, err := db.QueryContext(t.Context(), "SELECT id FROM rampart_sessions")
			require.NoError(t, err)
			defer rows.Close()
			var left []string
			for rows.Next() {
				var id string
				require.NoError(t, rows.Scan(&id))
				left = append(left, id)
			}
			require.NoError(t, rows.Err())
			assert.ElementsMatch(t, []string{foreign, "another subject's", "of yesterday", "live"}, left)
		})
	}
}

func TestAUsedForeignTokenIsNotAdoptedAgainWhenItsSessionHasExpired(t *testing.T) {
	for _, backend := range authBackends() {
		t.Run(backend.name, func(t *testing.T) {
			db, _ := backend.open(t)
			store := authStore(t, db, backend.dialect)
			made := time.Now().Add(-49 * time.Hour)
			now := made
			cfg := session.Simplejwt([]byte(josetest.Secret))
			cfg.Tokens.Now = func() time.Time { return now }
			cfg.Users, cfg.Sessions, cfg.NoRotation, cfg.Logger = everybody{}, store, false, slog.New(slog.DiscardHandler)
			s, err := session.New(cfg)
			require.NoError(t, err)
			foreign := josetest.Token("token_type", `"refresh"`, "iat", fmt.Sprint(made.Unix()), "exp", fmt.Sprint(made.Add(7*24*time.Hour).Unix()))
			require.NoError(t, errOf(s.Refresh(t.Context(), foreign)))
			now = time.Now() // the session expired more than a day ago; the token is good
			require.NoError(t, errOf(s.Issue(t.Context(), "1", nil)))
			_, err = s.Refresh(t.Context(), foreign)
			var te *auth.TokenError
			require.ErrorAs(t, err, &te)
			assert.Equal(t, auth.TokenReused, te.Reason)
		})
	}
}

func TestAuthSQLReportsFailures(t *testing.T) {
	db, _ := authBackends()[0].open(t)
	store, err := authsql.New(db, rampart.SQLite, authsql.Config{})
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
		"authsql: list: ":           errOf(store.List(ctx, "1", 1)),
		"authsql: revoke: ":         errOf(store.Revoke(ctx, "a")),
		"authsql: revoke subject: ": errors.Join(errOf(store.RevokeSubject(ctx, "1", now)), store.RevokeBefore(ctx, now)),
	} {
		assert.ErrorContains(t, err, prefix)
	}
	pg, err := authsql.New(db, rampart.PostgreSQL, authsql.Config{})
	require.NoError(t, err)
	_, err = pg.Now(ctx)
	assert.ErrorContains(t, err, "authsql: now: ")
	assert.ErrorContains(t, errOf(pg.List(ctx, "1", 1)), "authsql: now: ")
	assert.ErrorContains(t, errOf(pg.RevokeSubject(ctx, "1", now)), "authsql: now: ")
}

func TestAuthSQLConfigMistakes(t *testing.T) {
	_, err := authsql.New(nil, 0, authsql.Config{})
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
				require.NoError(t, errOf(store.In(tx).RevokeSubject(t.Context(), "1", now)))
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

			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			in := store.In(tx)
			live, err := in.List(t.Context(), "1", 10)
			require.NoError(t, err)
			require.Len(t, live, 1)
			assert.Equal(t, pair.Session, live[0].ID)
			ended, err := in.RevokeSubject(t.Context(), "1", live[0].AuthenticatedAt)
			require.NoError(t, err)
			assert.Equal(t, 1, ended)
			live, err = in.List(t.Context(), "1", 10)
			require.NoError(t, err)
			assert.Empty(t, live)
			require.NoError(t, tx.Rollback())
			live, err = store.List(t.Context(), "1", 10)
			require.NoError(t, err)
			assert.Len(t, live, 1)
			_, err = s.Refresh(t.Context(), pair.Refresh)
			assert.NoError(t, err)
		})
	}
}
