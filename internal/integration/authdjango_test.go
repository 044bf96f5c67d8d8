package integration_test

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authdjango"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/jose"
)

// bareDjango opens a database with Django's tables, and no Django.
func bareDjango(t testing.TB, b djangoBackend) *sql.DB {
	t.Helper()
	db, _ := b.open(t)
	djangoTables(t, db, b.dialect)
	return db
}

// TestAuthDjangoStore is the whole contract of a store.
func TestAuthDjangoStore(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			authtest.TestStore(t, func(t testing.TB) session.Store {
				t.Helper()
				return djangoStore(t, bareDjango(t, b), b.dialect, authdjango.Config{})
			})
		})
	}
}

func TestAuthDjangoConfigMistakes(t *testing.T) {
	_, err := authdjango.New(nil, 0, authdjango.Config{UserTable: `auth_user"; --`, UsernameColumn: "1", RevokeTokenClaim: "x"})
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"\nUserTable: invalid: \"auth_user\\\"; --\"\nUsernameColumn: invalid: \"1\"\nRevokeTokenClaim: pointless: \"x\"", conferrtest.Text(err))
	assert.Error(t, authdjango.Migrate(t.Context(), nil, rampart.SQLite))
	_, err = authdjango.Import(t.Context(), nil, rampart.SQLite, authdjango.ImportConfig{}, session.NewMemoryStore(0))
	assert.Equal(t, "db: missing", conferrtest.Text(err))
	_, err = authdjango.Import(t.Context(), new(sql.DB), rampart.SQLite, authdjango.ImportConfig{Timeout: time.Hour}, nil)
	assert.Equal(t, "Timeout: invalid: \"1h0m0s\"\nstore: missing", conferrtest.Text(err))
}

// row returns a live session of subject 1.
func row(id string) session.Session {
	now := time.Now()
	return session.Session{
		ID: id, Subject: "1", AuthenticatedAt: now, Generation: 1, RotatedAt: now, Expires: now.Add(24 * time.Hour), Ends: now.Add(48 * time.Hour),
	}
}

// listedAt is what Django asks of a token.
func listedAt(t testing.TB, db *sql.DB, jti string) bool {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM token_blacklist_blacklistedtoken b
		JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id WHERE o.jti = '`+jti+`'`).Scan(&n))
	return n > 0
}

// endAt blacklists a token as Django does.
func endAt(t testing.TB, db *sql.DB, jti string) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO token_blacklist_outstandingtoken (jti, token, expires_at) VALUES ('` + jti + `', '', '2100-01-01 00:00:00') ON CONFLICT DO NOTHING`,
		`INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT id, '2026-01-01 00:00:00' FROM token_blacklist_outstandingtoken WHERE jti = '` + jti + `'`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func TestAuthDjangoKeepsDjangosTables(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			get := func(id string) session.Session {
				s, err := store.Get(t.Context(), id)
				require.NoError(t, err)
				return s
			}
			t.Run("a rotation ends the old token and writes the new one", func(t *testing.T) {
				require.NoError(t, store.Create(t.Context(), row("a")))
				now, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour))
				require.NoError(t, err)
				assert.True(t, moved)
				assert.False(t, now.Blacklisted)
				assert.True(t, listedAt(t, db, "a.1"))
				var user int
				var token string
				require.NoError(t, db.QueryRowContext(t.Context(), `SELECT user_id, token FROM token_blacklist_outstandingtoken WHERE jti = 'a.2'`).Scan(&user, &token))
				assert.Equal(t, 1, user)
				assert.Empty(t, token, "nobody can log in with what the table holds")
				assert.False(t, listedAt(t, db, "a.2"))
			})
			t.Run("a token that Django has ended moves nothing, and its session is not listed", func(t *testing.T) {
				require.NoError(t, store.Create(t.Context(), row("b")))
				endAt(t, db, "b.1")
				now, moved, err := store.Advance(t.Context(), "b", 1, time.Now(), time.Now().Add(time.Hour))
				require.NoError(t, err)
				assert.False(t, moved)
				assert.True(t, now.Blacklisted)
				assert.False(t, now.Revoked)
				assert.EqualValues(t, 1, now.Generation)
				live, err := store.List(t.Context(), "1", 10)
				require.NoError(t, err)
				require.Len(t, live, 1)
				assert.Equal(t, "a", live[0].ID)
			})
			t.Run("a token of Django's that it has ended begins no session", func(t *testing.T) {
				endAt(t, db, "u0")
				s := row("c")
				s.TokenID = "u0"
				assert.ErrorIs(t, store.Create(t.Context(), s), session.ErrSuperseded)
				_, err := store.Get(t.Context(), "c")
				assert.ErrorIs(t, err, session.ErrNoSession)
			})
			t.Run("a token that Django has made takes an expired session on, once the old one is ended", func(t *testing.T) {
				s := row("d")
				s.Expires = time.Now().Add(-25 * time.Hour)
				require.NoError(t, store.Create(t.Context(), s))
				require.NoError(t, store.Create(t.Context(), row("d2"))) // deletes what has ended, and d has not
				expires := time.Now().Add(time.Hour)
				now, gen, err := store.Succeed(t.Context(), "d", "u1", time.Now(), expires)
				require.NoError(t, err)
				assert.Zero(t, gen)
				assert.False(t, now.Blacklisted, "it is a fork")
				endAt(t, db, "d.1")
				for range 2 {
					now, gen, err = store.Succeed(t.Context(), "d", "u1", time.Now(), expires)
					require.NoError(t, err)
					assert.EqualValues(t, 2, gen)
					assert.EqualValues(t, 2, now.Generation)
					assert.Equal(t, "u1", now.TokenID)
					assert.False(t, now.Blacklisted)
					assert.WithinDuration(t, expires, now.Expires, time.Millisecond)
				}
				now, moved, err := store.Advance(t.Context(), "d", 2, time.Now(), expires)
				require.NoError(t, err)
				assert.True(t, moved)
				assert.Empty(t, now.TokenID)
				assert.True(t, listedAt(t, db, "u1"))
				now, gen, err = store.Succeed(t.Context(), "d", "u1", time.Now(), expires)
				require.NoError(t, err)
				assert.EqualValues(t, 2, gen, "used up here, so that its successor can be made again")
				assert.EqualValues(t, 3, now.Generation)
				assert.False(t, now.Blacklisted)
				endAt(t, db, "u-old")
				now, gen, err = store.Succeed(t.Context(), "d", "u-old", time.Now(), expires)
				require.NoError(t, err)
				assert.Zero(t, gen)
				assert.True(t, now.Blacklisted)
				_, err = store.Revoke(t.Context(), "d")
				require.NoError(t, err)
				now, gen, err = store.Succeed(t.Context(), "d", "u2", time.Now(), expires)
				require.NoError(t, err)
				assert.Zero(t, gen)
				assert.True(t, now.Revoked)
				_, _, err = store.Succeed(t.Context(), "nobody", "u2", time.Now(), expires)
				assert.ErrorIs(t, err, session.ErrNoSession)
			})
			t.Run("the end of a session ends its newest token, made at either side", func(t *testing.T) {
				s := row("e")
				s.TokenID = "u3"
				require.NoError(t, store.Create(t.Context(), s))
				assert.Equal(t, "u3", get("e").TokenID)
				_, err := store.Revoke(t.Context(), "e")
				require.NoError(t, err)
				assert.True(t, listedAt(t, db, "u3"))
				assert.True(t, get("e").Revoked)
			})
			t.Run("the end of all sessions of an account ends Django's tokens of that account alone", func(t *testing.T) {
				for jti, user := range map[string]int{"u4": 1, "u5": 2} {
					_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO token_blacklist_outstandingtoken (jti, token, user_id, created_at, expires_at)
						VALUES ('%s', '', %d, '2026-01-01 00:00:00', '2100-01-01 00:00:00')`, jti, user))
					require.NoError(t, err)
				}
				require.NoError(t, store.Create(t.Context(), row("f")))
				_, err := store.RevokeSubject(t.Context(), "1", time.Now())
				require.NoError(t, err)
				assert.True(t, listedAt(t, db, "u4"))
				assert.True(t, listedAt(t, db, "f.1"))
				assert.True(t, listedAt(t, db, "a.2"))
				assert.False(t, listedAt(t, db, "u5"))
				require.NoError(t, store.RevokeBefore(t.Context(), time.Now()))
				assert.True(t, listedAt(t, db, "u5"))
			})
		})
	}
}

// TestAuthDjangoWaitsForARotationOfDjangos: Django has its blacklist row in an open
// transaction while ours wants to rotate, whatever level of isolation is the default.
func TestAuthDjangoWaitsForARotationOfDjangos(t *testing.T) {
	db := openDSN(t, postgresSchema(t)+"&default_transaction_isolation=repeatable%20read")
	djangoTables(t, db, rampart.PostgreSQL)
	store := djangoStore(t, db, rampart.PostgreSQL, authdjango.Config{})
	require.NoError(t, store.Create(t.Context(), row("a")))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT id, now() FROM token_blacklist_outstandingtoken WHERE jti = 'a.1'`)
	require.NoError(t, err)
	moves := make(chan bool)
	go func() {
		_, moved, err := store.Advance(context.WithoutCancel(t.Context()), "a", 1, time.Now(), time.Now().Add(time.Hour))
		assert.NoError(t, err)
		moves <- moved
	}()
	require.Eventually(t, func() bool {
		var n int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO token_blacklist_blacklistedtoken%'`).Scan(&n)
		return err == nil && n > 0
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, tx.Commit())
	assert.False(t, <-moves)
	now, err := store.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.EqualValues(t, 1, now.Generation)
	assert.True(t, now.Blacklisted)
}

func TestAuthDjangoImportsWhatDjangoHasEnded(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			const many = 1200 // some pages
			for i := range many {
				_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO token_blacklist_outstandingtoken (jti, token, user_id, created_at, expires_at)
					VALUES ('u%d', '', 1, '2026-01-01 00:00:00', '2100-01-01 00:00:00')`, i))
				require.NoError(t, err)
			}
			_, err := db.ExecContext(t.Context(), `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) SELECT id, '2026-01-01 00:00:00' FROM token_blacklist_outstandingtoken`)
			require.NoError(t, err)
			endAt(t, db, "without-a-user")
			_, err = db.ExecContext(t.Context(), `UPDATE token_blacklist_outstandingtoken SET expires_at = '2020-01-01 00:00:00' WHERE jti = 'u7'`)
			require.NoError(t, err)
			store := session.NewMemoryStore(0)
			ours := jose.NewSession()
			require.NoError(t, store.Create(t.Context(), row(ours)))
			endAt(t, db, ours+".1")
			rotated := jose.NewSession()
			s := row(rotated)
			s.Generation = 2
			require.NoError(t, store.Create(t.Context(), s))
			endAt(t, db, rotated+".1")
			adopted := jose.ForeignSession("shop", "u3")
			require.NoError(t, store.Create(t.Context(), row(adopted)))
			for range 2 { // the second time it changes nothing
				n, err := authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{Issuer: "shop"}, store)
				require.NoError(t, err)
				assert.Equal(t, many+3-1, n)
			}
			for id, revoked := range map[string]bool{
				jose.ForeignSession("shop", "u0"): true, jose.ForeignSession("shop", "u1199"): true, jose.ForeignSession("shop", "without-a-user"): true,
				adopted: true, ours: true, rotated: false,
			} {
				got, err := store.Get(t.Context(), id)
				require.NoError(t, err)
				assert.Equal(t, revoked, got.Revoked)
			}
			_, err = store.Get(t.Context(), jose.ForeignSession("shop", "u7"))
			assert.ErrorIs(t, err, session.ErrNoSession, "it has expired")
		})
	}
}

// djangoService is our side.
func djangoService(t testing.TB, store *authdjango.Store, users session.Users) (*session.Service, *auth.Verifier) {
	t.Helper()
	cfg := session.Simplejwt([]byte(authSecret))
	cfg.Tokens.Revoked, cfg.Tokens.Logger = store.Revoked, slog.New(slog.DiscardHandler)
	v, err := auth.NewVerifier(cfg.Tokens)
	require.NoError(t, err)
	cfg.Users, cfg.Sessions = users, store
	cfg.NoRotation, cfg.Logger = false, slog.New(slog.DiscardHandler)
	s, err := session.New(cfg)
	require.NoError(t, err)
	return s, v
}

// cheap is a hasher that writes what Django reads.
func cheap(t testing.TB, cfg password.Config) *password.Hasher {
	t.Helper()
	cfg.Memory, cfg.Time, cfg.Format = 7168, 5, password.FormatDjangoArgon2
	cfg.Queue, cfg.Wait = 10000, time.Minute
	h, err := password.New(cfg)
	require.NoError(t, err)
	return h
}

func TestAuthDjangoAsksForTheAccountAsSimplejwtDoes(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			set := func(statement string) {
				_, err := db.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			works := func(cfg authdjango.Config, pair *session.Pair) (access, refresh bool) {
				store := djangoStore(t, db, b.dialect, cfg)
				s, v := djangoService(t, store, store.Users(cheap(t, password.Config{}), nil))
				_, err := v.Verify(t.Context(), pair.Access, auth.Access)
				_, other := s.Refresh(t.Context(), pair.Refresh)
				return err == nil, other == nil
			}
			issue := func(cfg authdjango.Config) *session.Pair {
				store := djangoStore(t, db, b.dialect, cfg)
				s, v := djangoService(t, store, store.Users(cheap(t, password.Config{}), nil))
				pair, err := s.Issue(t.Context(), "1", nil)
				require.NoError(t, err)
				if cfg.CheckRevokeToken {
					token, err := v.Verify(t.Context(), pair.Access, auth.Access)
					require.NoError(t, err)
					var claim string
					require.NoError(t, token.Claim("hash_password", &claim))
					sum := md5.Sum([]byte("!"))
					assert.Equal(t, strings.ToUpper(hex.EncodeToString(sum[:])), claim)
				}
				return pair
			}
			check := func(desc string, cfg authdjango.Config, pair *session.Pair, want bool) {
				access, refresh := works(cfg, pair)
				assert.Equal(t, want, access, desc)
				assert.Equal(t, want, refresh, desc)
			}
			checking := authdjango.Config{CheckRevokeToken: true}
			plain, claimed := issue(authdjango.Config{}), issue(checking)
			check("without the claim that is asked for", checking, plain, false)
			check("with it", checking, claimed, true)
			claimed = issue(checking)
			set(`UPDATE auth_user SET is_active = false`)
			check("inactive", authdjango.Config{}, plain, false)
			check("inactive, and not asked", authdjango.Config{DangerouslyAllowInactive: true}, plain, true)
			set(`UPDATE auth_user SET is_active = true, password = '!changed'`)
			check("a changed password", checking, claimed, false)
			set(`DELETE FROM token_blacklist_blacklistedtoken`)
			set(`DELETE FROM token_blacklist_outstandingtoken`)
			plain = issue(authdjango.Config{})
			set(`UPDATE token_blacklist_outstandingtoken SET user_id = NULL`)
			set(`DELETE FROM auth_user WHERE id = 1`)
			check("a deleted account", authdjango.Config{DangerouslyAllowInactive: true}, plain, false)
		})
	}
}

func TestAuthDjangoUsers(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			const old = "pbkdf2_sha256$2000$vuQKA3cykFtKug7qr5GUvw$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98="
			const pw = "correct horse battery staple"
			_, err := db.ExecContext(t.Context(), `UPDATE auth_user SET password = '`+old+`' WHERE id < 3`)
			require.NoError(t, err)
			stored := func() (hash string) {
				require.NoError(t, db.QueryRowContext(t.Context(), `SELECT password FROM auth_user WHERE username = 'a'`).Scan(&hash))
				return hash
			}
			keeps := djangoStore(t, db, b.dialect, authdjango.Config{CheckRevokeToken: true}).Users(cheap(t, password.Config{}), nil)
			subject, err := keeps.Login(t.Context(), "a", pw)
			require.NoError(t, err)
			assert.Equal(t, "1", subject)
			assert.Equal(t, old, stored(), "a new hash would log the account out everywhere")
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			users := store.Users(cheap(t, password.Config{}), slog.New(slog.DiscardHandler))
			for range 2 {
				subject, err = users.Login(t.Context(), "a", pw)
				require.NoError(t, err)
				assert.Equal(t, "1", subject)
				assert.Contains(t, stored(), "argon2$argon2id$v=19$m=7168,t=5,p=1$")
			}
			for _, wrong := range [][2]string{{"a", "wrong"}, {"A", pw}, {"nobody", pw}, {"c", "!"}} {
				_, err = users.Login(t.Context(), wrong[0], wrong[1])
				assert.ErrorIs(t, err, session.ErrBadCredentials)
			}
			_, err = db.ExecContext(t.Context(), `UPDATE auth_user SET is_active = false WHERE id = 1`)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), `UPDATE auth_user SET password = 'md5$x$y' WHERE id = 2`)
			require.NoError(t, err)
			for _, name := range []string{"a", "b"} {
				_, err = users.Login(t.Context(), name, pw)
				assert.ErrorIs(t, err, session.ErrBadCredentials, name)
			}
			loose := djangoStore(t, db, b.dialect, authdjango.Config{DangerouslyAllowInactive: true}).Users(cheap(t, password.Config{}), nil)
			_, err = loose.Login(t.Context(), "a", pw)
			assert.NoError(t, err)
			active, err := users.Active(t.Context(), "no number")
			require.NoError(t, err)
			assert.False(t, active)
			census, err := store.Census(t.Context())
			require.NoError(t, err)
			assert.NotNil(t, census)
		})
	}
}

// TestAuthDjangoErrorsAreOfTheBackend: no call takes a backend that fails for an answer.
func TestAuthDjangoErrorsAreOfTheBackend(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			users := store.Users(cheap(t, password.Config{}), nil)
			require.NoError(t, db.Close())
			ctx, now := t.Context(), time.Now()
			for call, err := range map[string]error{
				"Create": store.Create(ctx, row("a")), "Get": errOf(store.Get(ctx, "a")), "List": errOf(store.List(ctx, "1", 1)),
				"Revoke": errOf(store.Revoke(ctx, "a")), "RevokeSubject": errOf(store.RevokeSubject(ctx, "1", now)), "RevokeBefore": store.RevokeBefore(ctx, now),
				"Active": errOf(store.Active(ctx, "1")), "Login": errOf(users.Login(ctx, "a", "")), "Census": errOf(store.Census(ctx)),
				"Import": errOf(authdjango.Import(ctx, db, b.dialect, authdjango.ImportConfig{}, session.NewMemoryStore(0))),
			} {
				require.Error(t, err, call)
				for _, known := range []error{session.ErrNoSession, session.ErrSuperseded, session.ErrSessionExists, session.ErrBadCredentials} {
					assert.NotErrorIs(t, err, known, call)
				}
			}
			_, _, err := store.Advance(ctx, "a", 1, now, now)
			assert.Error(t, err)
			_, _, err = store.Succeed(ctx, "a", "u", now, now)
			assert.Error(t, err)
		})
	}
}

func TestAuthDjangoConcurrentSuccessorsAreOne(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			require.NoError(t, store.Create(t.Context(), row("a")))
			endAt(t, db, "a.1")
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					now, gen, err := store.Succeed(t.Context(), "a", "u1", time.Now(), time.Now().Add(time.Hour))
					assert.NoError(t, err)
					assert.EqualValues(t, 2, gen)
					assert.EqualValues(t, 2, now.Generation)
				})
			}
			wg.Wait()
		})
	}
}

// A table that is not there, or cannot be read, is a failure of the backend wherever it
// is asked, and never a session that is good.
func TestAuthDjangoSaysWhichTableFails(t *testing.T) {
	b := djangoBackends()[0]
	for _, table := range []string{"auth_user", "token_blacklist_outstandingtoken", "token_blacklist_blacklistedtoken", "rampart_django_tokens", "rampart_sessions"} {
		t.Run(table, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{CheckRevokeToken: true})
			now, later := time.Now(), time.Now().Add(time.Hour)
			for _, id := range []string{"a", "b"} {
				require.NoError(t, store.Create(t.Context(), row(id)))
			}
			_, _, err := store.Succeed(t.Context(), "b", "made-by-django", now, later)
			require.NoError(t, err)
			endAt(t, db, "ended-at-django")
			_, err = db.ExecContext(t.Context(), `ALTER TABLE `+table+` RENAME TO elsewhere`)
			require.NoError(t, err)

			failed := 0
			note := func(err error) {
				if err != nil {
					failed++
					assert.NotErrorIs(t, err, session.ErrNoSession)
				}
			}
			foreign := row("c")
			foreign.TokenID = "begun-at-django"
			note(store.Create(t.Context(), row("d")))
			note(store.Create(t.Context(), foreign))
			note(errOf(store.Get(t.Context(), "a")))
			note(errOf(store.Get(t.Context(), "b")))
			_, _, err = store.Advance(t.Context(), "a", 1, now, later)
			note(err)
			_, _, err = store.Succeed(t.Context(), "a", "made-next", now, later)
			note(err)
			_, _, err = store.Succeed(t.Context(), "b", "made-by-django", now, later)
			note(err)
			note(errOf(store.List(t.Context(), "1", 10)))
			note(errOf(store.Active(t.Context(), "1")))
			note(errOf(store.Claims(t.Context(), "1")))
			note(errOf(store.Census(t.Context())))
			note(errOf(store.Users(cheap(t, password.Config{}), nil).Login(t.Context(), "ann", "x")))
			note(errOf(store.Revoke(t.Context(), "a")))
			note(errOf(store.Revoke(t.Context(), "b")))
			note(errOf(store.RevokeSubject(t.Context(), "1", later)))
			note(store.RevokeBefore(t.Context(), later))
			note(errOf(authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{Issuer: "x"}, store)))
			assert.Positive(t, failed)
		})
	}
}

func TestAuthDjangoImportsNoTokenOfASessionThatIsGone(t *testing.T) {
	for _, b := range djangoBackends() {
		db := bareDjango(t, b)
		store := djangoStore(t, db, b.dialect, authdjango.Config{CheckRevokeToken: true, RevokeTokenClaim: "password_print"})
		endAt(t, db, strings.Repeat("A", 26)+".1")
		n, err := authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{Issuer: "x"}, store)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		_, err = store.Get(t.Context(), strings.Repeat("A", 26))
		assert.ErrorIs(t, err, session.ErrNoSession)
		claims, err := store.Claims(t.Context(), "1")
		require.NoError(t, err)
		assert.Len(t, claims["password_print"], 32)
	}
}

// TestAuthDjangoImportsWhateverItsTimesAre: simplejwt 5.2 writes no created_at of a token
// that a rotation has made, and a Django whose USE_TZ is False writes expires_at too early.
func TestAuthDjangoImportsWhateverItsTimesAre(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			expires := time.Now().UTC().Add(-5 * time.Hour)
			endAt(t, db, "u1")
			endAt(t, db, "u2")
			_, err := db.ExecContext(t.Context(), `UPDATE token_blacklist_outstandingtoken SET created_at = '2026-01-01 00:00:00', expires_at = '`+expires.Format(time.DateTime)+`' WHERE jti = 'u2'`)
			require.NoError(t, err)
			store := session.NewMemoryStore(0)
			require.NoError(t, store.RevokeBefore(t.Context(), time.Now().Add(-time.Minute))) // of which a token of today knows nothing
			_, err = authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{}, store)
			require.NoError(t, err)
			for _, jti := range []string{"u1", "u2"} {
				got, err := store.Get(t.Context(), jose.ForeignSession("", jti))
				require.NoError(t, err)
				assert.True(t, got.Revoked)
				assert.True(t, got.Ends.After(time.Now().Add(5*time.Hour)), "else the store forgets it before the token has expired")
			}
		})
	}
}

// TestAuthDjangoImportEndsNoSessionThatHasGoneOn: after both sides have run, the blacklist
// holds the first token of every session that began at Django and was rotated here.
func TestAuthDjangoImportEndsNoSessionThatHasGoneOn(t *testing.T) {
	b := djangoBackends()[0]
	db := bareDjango(t, b)
	store := djangoStore(t, db, b.dialect, authdjango.Config{})
	s := row(jose.ForeignSession("", "u1"))
	s.TokenID = "u1"
	require.NoError(t, store.Create(t.Context(), s))
	_, moved, err := store.Advance(t.Context(), s.ID, 1, time.Now(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.True(t, moved)
	own, err := authsql.New(db, b.dialect, authsql.Config{})
	require.NoError(t, err)
	_, err = authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{}, own)
	require.NoError(t, err)
	got, err := own.Get(t.Context(), s.ID)
	require.NoError(t, err)
	assert.False(t, got.Revoked)
}

// TestAuthDjangoEndsWhatIsMadeWhileAllIsEnded: a transaction of ours is held up just before
// its end, by a lock of the test, until everything has been ended.
func TestAuthDjangoEndsWhatIsMadeWhileAllIsEnded(t *testing.T) {
	b := djangoBackends()[1]
	later := func() time.Time { return time.Now().Add(time.Hour) }
	for _, tt := range []struct {
		desc, jti, hold string
		before          func(*testing.T, *authdjango.Store, *sql.DB)
		make            func(context.Context, *authdjango.Store) error
	}{
		{
			"a log-in", "a.1", `LOCK TABLE rampart_django_tokens IN SHARE MODE`, func(*testing.T, *authdjango.Store, *sql.DB) {},
			func(ctx context.Context, s *authdjango.Store) error {
				err := s.Create(ctx, row("a"))
				assert.ErrorIs(t, err, session.ErrSuperseded)
				return nil
			},
		},
		{
			"a rotation", "a.2", `INSERT INTO token_blacklist_outstandingtoken (jti, token, expires_at) VALUES ('a.2', '', now())`,
			func(t *testing.T, s *authdjango.Store, _ *sql.DB) {
				require.NoError(t, s.Create(t.Context(), row("a")))
			},
			func(ctx context.Context, s *authdjango.Store) error {
				now, moved, err := s.Advance(ctx, "a", 1, time.Now(), later())
				assert.False(t, moved)
				assert.True(t, now.Revoked)
				return err
			},
		},
		{
			"a token that Django has made", "u1", `LOCK TABLE rampart_django_tokens IN SHARE MODE`,
			func(t *testing.T, s *authdjango.Store, db *sql.DB) {
				require.NoError(t, s.Create(t.Context(), row("a")))
				endAt(t, db, "a.1")
			},
			func(ctx context.Context, s *authdjango.Store) error {
				now, _, err := s.Succeed(ctx, "a", "u1", time.Now(), later())
				assert.True(t, now.Revoked)
				return err
			},
		},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{Timeout: time.Minute})
			tt.before(t, store, db)
			ctx := context.WithoutCancel(t.Context())
			hold, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			var holder int
			require.NoError(t, hold.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&holder))
			waiting := func(n int) { // for the holder, or for one that waits for it
				require.Eventually(t, func() bool {
					var got int
					err := db.QueryRowContext(ctx, `WITH w AS (SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))
						SELECT count(*) FROM pg_stat_activity WHERE pid IN (SELECT pid FROM w) OR pg_blocking_pids(pid) && ARRAY (SELECT pid FROM w)`, holder).Scan(&got)
					return err == nil && got >= n
				}, 20*time.Second, 5*time.Millisecond)
			}
			_, err = hold.ExecContext(ctx, tt.hold)
			require.NoError(t, err)
			made, ended := make(chan error, 1), make(chan error, 1)
			go func() { made <- tt.make(ctx, store) }()
			waiting(1)
			go func() { ended <- store.RevokeBefore(ctx, time.Now()) }()
			if tt.desc == "a rotation" { // it waits for the old token's row
				waiting(2)
			} else {
				require.NoError(t, <-ended)
			}
			require.NoError(t, hold.Rollback())
			require.NoError(t, <-made)
			if tt.desc == "a rotation" {
				require.NoError(t, <-ended)
			}
			assert.True(t, listedAt(t, db, tt.jti), "it is refused here, and so it must be at Django")
		})
	}
}

// TestAuthDjangoEndsATokenFromTheFuture: with USE_TZ False and a TIME_ZONE west of
// Greenwich, PostgreSQL takes simplejwt's created_at for a time that is to come.
func TestAuthDjangoEndsATokenFromTheFuture(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			future := time.Now().UTC().Add(5 * time.Hour).Format(time.DateTime)
			for i, end := range []func() error{
				func() error { _, err := store.RevokeSubject(t.Context(), "1", time.Now()); return err },
				func() error { return store.RevokeBefore(t.Context(), time.Now()) },
			} {
				jti := fmt.Sprint("u", i)
				_, err := db.ExecContext(t.Context(), `INSERT INTO token_blacklist_outstandingtoken (jti, token, user_id, created_at, expires_at) VALUES ('`+jti+`', '', 1, '`+future+`', '2100-01-01 00:00:00')`)
				require.NoError(t, err)
				require.NoError(t, end())
				assert.True(t, listedAt(t, db, jti))
			}
		})
	}
}

// TestAuthDjangoGoesOnWithTheSessionsOfAuthsql: they began before Django's tables were
// written, and Django must not take their old tokens.
func TestAuthDjangoGoesOnWithTheSessionsOfAuthsql(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			own, err := authsql.New(db, b.dialect, authsql.Config{})
			require.NoError(t, err)
			require.NoError(t, own.Create(t.Context(), row("a")))
			_, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour))
			require.NoError(t, err)
			assert.True(t, moved)
			assert.True(t, listedAt(t, db, "a.1"))
		})
	}
}

func TestAuthDjangoWritesNoHashThatDjangoCannotRead(t *testing.T) {
	b := djangoBackends()[0]
	db := bareDjango(t, b)
	const old = "pbkdf2_sha256$2000$vuQKA3cykFtKug7qr5GUvw$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98="
	_, err := db.ExecContext(t.Context(), `UPDATE auth_user SET password = '`+old+`' WHERE id = 1`)
	require.NoError(t, err)
	h, err := password.New(password.Config{Memory: 7168, Time: 5}) // the Format of Django was forgotten
	require.NoError(t, err)
	_, err = djangoStore(t, db, b.dialect, authdjango.Config{}).Users(h, nil).Login(t.Context(), "a", "correct horse battery staple")
	require.NoError(t, err)
	var stored string
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT password FROM auth_user WHERE id = 1`).Scan(&stored))
	assert.Equal(t, old, stored)
}

func TestAuthDjangoForgetsWhatHasEnded(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			for _, id := range []string{"a", "b"} {
				s := row(id)
				s.TokenID = "u" + id
				require.NoError(t, store.Create(t.Context(), s))
			}
			past := fmt.Sprint(time.Now().Add(-time.Second).UnixMicro())
			for _, table := range []string{"rampart_sessions WHERE id", "rampart_django_tokens WHERE session"} {
				name, where, _ := strings.Cut(table, " ")
				_, err := db.ExecContext(t.Context(), `UPDATE `+name+` SET ends_at = `+past+` `+where+` = 'a'`)
				require.NoError(t, err)
			}
			endAt(t, db, "ua")
			now, gen, err := store.Succeed(t.Context(), "a", "made-by-django", time.Now(), time.Now().Add(time.Hour))
			require.NoError(t, err)
			assert.Zero(t, gen, "its session has ended")
			assert.EqualValues(t, 1, now.Generation)
			require.NoError(t, store.Create(t.Context(), row("c")))
			var left string
			require.NoError(t, db.QueryRowContext(t.Context(), `SELECT session FROM rampart_django_tokens`).Scan(&left))
			assert.Equal(t, "b", left)
		})
	}
}

// TestAuthDjangoKeepsWhatIsEndedFromDjangosCleaning: with USE_TZ False and a TIME_ZONE west
// of Greenwich, flushexpiredtokens asks PostgreSQL for what expires in some hours.
func TestAuthDjangoKeepsWhatIsEndedFromDjangosCleaning(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			require.NoError(t, store.Create(t.Context(), row("a")))
			_, err := store.Revoke(t.Context(), "a")
			require.NoError(t, err)
			flush := row("a").Expires.UTC().Add(12 * time.Hour).Format(time.DateTime)
			var flushed int
			require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM token_blacklist_outstandingtoken WHERE expires_at <= '`+flush+`'`).Scan(&flushed))
			assert.Zero(t, flushed)
		})
	}
}

func TestAuthDjangoEndsWhatHasNoTimeAndLeavesWhatHasExpired(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			for i, end := range []func() error{
				func() error { _, err := store.RevokeSubject(t.Context(), "1", time.Now()); return err },
				func() error { return store.RevokeBefore(t.Context(), time.Now()) },
			} {
				for kind, expires := range map[string]string{"live": "2100-01-01 00:00:00", "expired": "2020-01-01 00:00:00"} {
					_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO token_blacklist_outstandingtoken (jti, token, user_id, expires_at) VALUES ('%s%d', '', 1, '%s')`, kind, i, expires))
					require.NoError(t, err)
				}
				require.NoError(t, end())
				assert.True(t, listedAt(t, db, fmt.Sprint("live", i)), "simplejwt 5.2 does not say when a rotation made it")
				assert.False(t, listedAt(t, db, fmt.Sprint("expired", i)))
			}
		})
	}
}

func TestAuthDjangoEndsTheNewTokenOfAnOldSession(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			db := bareDjango(t, b)
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			before := time.Now().Add(-time.Minute)
			for i, end := range []func() error{
				func() error { _, err := store.RevokeSubject(t.Context(), "1", before); return err },
				func() error { return store.RevokeBefore(t.Context(), before) },
			} {
				id := fmt.Sprint("s", i)
				s := row(id)
				s.Subject, s.AuthenticatedAt = fmt.Sprint(i+1), before.Add(-time.Minute)
				require.NoError(t, store.Create(t.Context(), s))
				_, moved, err := store.Advance(t.Context(), id, 1, time.Now(), time.Now().Add(time.Hour))
				require.NoError(t, err)
				require.True(t, moved)
				require.NoError(t, end())
				assert.True(t, listedAt(t, db, id+".2"), "made since, of a session that began before")
			}
		})
	}
}

// TestAuthDjangoEndsTheAccessTokensOfDjangosLogIns: they name no session of ours.
func TestAuthDjangoEndsTheAccessTokensOfDjangosLogIns(t *testing.T) {
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			store := djangoStore(t, bareDjango(t, b), b.dialect, authdjango.Config{})
			_, v := djangoService(t, store, store.Users(cheap(t, password.Config{}), nil))
			made := time.Now().Add(-time.Minute)
			access := func(user int) error {
				key, err := auth.NewKey(auth.HS256, "", []byte(authSecret))
				require.NoError(t, err)
				raw, err := jose.Mint(t.Context(), key, "JWT", fmt.Appendf(nil, `{"token_type":"access","exp":%d,"iat":%d,"jti":"x","user_id":%d}`, time.Now().Unix()+60, made.Unix(), user))
				require.NoError(t, err)
				_, err = v.Verify(t.Context(), raw, auth.Access)
				return err
			}
			ends := func(before time.Time) {
				_, err := store.RevokeSubject(t.Context(), "1", before)
				require.NoError(t, err)
			}
			require.NoError(t, access(1))
			ends(made.Add(-time.Minute))
			assert.NoError(t, access(1), "it was made since")
			ends(time.Now())
			assert.Error(t, access(1))
			assert.NoError(t, access(2))
			require.NoError(t, store.RevokeBefore(t.Context(), time.Now()))
			assert.Error(t, access(2))
		})
	}
}

func TestAuthDjangoTakesNoSubjectForTheAccountOfAnother(t *testing.T) {
	for _, b := range djangoBackends() {
		store := djangoStore(t, bareDjango(t, b), b.dialect, authdjango.Config{})
		for subject, want := range map[string]bool{"1": true, "one": false, "": false, "0": false, "1 OR 1=1": false, "99999999999999999999": false} {
			active, err := store.Active(t.Context(), subject)
			require.NoError(t, err)
			assert.Equal(t, want, active, subject)
		}
	}
}

func TestAuthDjangoImportGoesOnWhereAllWasEndedMeanwhile(t *testing.T) {
	b := djangoBackends()[0]
	db := bareDjango(t, b)
	endAt(t, db, "u1")
	store := session.NewMemoryStore(0)
	require.NoError(t, store.RevokeBefore(t.Context(), time.Now().Add(time.Minute)))
	n, err := authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{}, store)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestAuthDjangoImportsNothingBesideWhatItCannotRead(t *testing.T) {
	b := djangoBackends()[slices.IndexFunc(djangoBackends(), func(b djangoBackend) bool { return b.dialect == rampart.SQLite })]
	db := bareDjango(t, b)
	store := djangoStore(t, db, b.dialect, authdjango.Config{})
	endAt(t, db, "garbled")
	_, err := db.ExecContext(t.Context(), `UPDATE token_blacklist_outstandingtoken SET expires_at = 'tomorrow'`)
	require.NoError(t, err)
	_, err = authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{Issuer: "x"}, store)
	assert.ErrorContains(t, err, "authdjango: import")
}
