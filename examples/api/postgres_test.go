package main

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// freshPostgres makes an empty schema, and returns the URL of it.
func freshPostgres(t *testing.T) string {
	t.Helper()
	dsn := cmp.Or(os.Getenv("RAMPART_POSTGRES"), "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable")
	admin, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	if err := admin.PingContext(t.Context()); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "postgres") {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: no PostgreSQL: run `make services`, or set RAMPART_POSTGRES to a postgres:// URL")
	}
	schema := "api_" + strings.ToLower(rand.Text())
	_, err = admin.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = admin.Exec("DROP SCHEMA " + schema + " CASCADE") })
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// TestTheWholeServerRunsOnPostgreSQL runs two instances on one database, as a
// platform team would.
func TestTheWholeServerRunsOnPostgreSQL(t *testing.T) {
	dsn := freshPostgres(t)
	env := map[string]string{"ECOLAURA_SECRET_KEY": rand.Text() + rand.Text(), "ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal()}
	getenv := func(name string) string { return env[name] }
	instance := func() *service {
		s, err := parse(append([]string{"-db", dsn, "-demo"}, wide...), getenv, io.Discard)
		if !assert.NoError(t, err) {
			return nil
		}
		srv, err := open(t.Context(), s, slog.New(slog.DiscardHandler), nil)
		if !assert.NoError(t, err) {
			return nil
		}
		t.Cleanup(srv.close)
		web := httptest.NewServer(srv.handler)
		t.Cleanup(web.Close)
		return &service{t: t, url: web.URL, srv: srv}
	}
	var wg sync.WaitGroup
	var one, two *service
	wg.Go(func() { one = instance() }) // at the same moment, on a fresh database
	wg.Go(func() { two = instance() })
	wg.Wait()
	require.NotNil(t, one)
	require.NotNil(t, two)
	access, refresh := one.login("alice")
	assert.Equal(t, 200, two.do("GET", "/api/secure/", "", bearer(access)).status)
	require.Equal(t, 201, one.post("/api/products/", `{"name":"Soap","price":"3.5"}`, bearer(access)).status)
	assert.Contains(t, two.do("GET", "/api/products/", "").body, `"price":"3.50"`)
	require.Equal(t, 201, one.post("/api/register/", `{"email":"a@example.com","name":"Ann","phone":"+49301234567"}`).status)
	assert.Equal(t, "+49301234567", two.do("GET", "/api/customers/1/", "", bearer(access)).field(t, "phone"))
	key := one.post("/api/keys/", `{"name":"crm"}`, bearer(access))
	require.Equal(t, 201, key.status, key.body)
	assert.Equal(t, 200, two.do("GET", "/api/partner/", "", "X-API-Key: "+key.field(t, "key")).status)
	assert.Equal(t, 204, two.do("DELETE", "/api/keys/"+key.field(t, "id")+"/", "", bearer(access)).status)
	one.soonRefused("/api/partner/", "X-API-Key: "+key.field(t, "key"))
	operator := two.operator()
	for _, call := range []struct{ path, body string }{{"signing-key/rotate/", `{"overlap":"1h"}`}, {"field-key/rotate/", `{}`}} {
		a := one.post("/api/ops/"+call.path, call.body, operator)
		assert.Equal(t, 409, a.status, a.body)
		assert.Equal(t, "managed_elsewhere", a.field(t, "code"))
	}
	require.Equal(t, http.StatusNoContent, two.post("/api/password/", `{"old":"`+demoPassword+`","new":"another long password"}`, bearer(access)).status)
	one.soonRefused("/api/secure/", bearer(access))
	assert.Equal(t, 401, one.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
}

// A connection that is cut between two statements of a transaction is the database's
// failure, 503, and no defect of the server, 500.
func TestAConnectionThatIsCutAmidATransactionIsAnOutage(t *testing.T) {
	dsn := cmp.Or(os.Getenv("RAMPART_POSTGRES"), "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable")
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "postgres") {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: no PostgreSQL: run `make services`, or set RAMPART_POSTGRES to a postgres:// URL")
	}
	defer conn.Close()
	tx, err := conn.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, conn.Raw(func(driver any) error { return driver.(*stdlib.Conn).Conn().PgConn().Conn().Close() }))
	_, err = tx.ExecContext(t.Context(), `SELECT 1`)
	assert.True(t, isDown(err), "%v", err)
	err = tx.Commit()
	require.ErrorContains(t, err, "conn closed")
	assert.True(t, isDown(err))
}

// With the default of two idle connections PostgreSQL got a new one every 7 to 37
// requests, which costs it more than the requests.
func TestConnectionsToPostgreSQLAreKept(t *testing.T) {
	env := map[string]string{"ECOLAURA_SECRET_KEY": rand.Text() + rand.Text(), "ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal()}
	cfg, err := parse(append([]string{"-db", freshPostgres(t), "-db-timeout", "30s", "-demo"}, wide...), func(name string) string { return env[name] }, io.Discard)
	require.NoError(t, err)
	srv, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(srv.close)
	web := httptest.NewServer(srv.handler)
	t.Cleanup(web.Close)
	s := &service{t: t, url: web.URL, srv: srv}
	for _, clients := range []int{16, 100} {
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range 1000 / clients {
					a, err := s.try("GET", "/api/products/", "")
					assert.NoError(t, err)
					assert.Equal(t, 200, a.status, a.body)
				}
			})
		}
		wg.Wait()
		stats := srv.db.Stats()
		assert.Zero(t, stats.MaxIdleClosed+stats.MaxIdleTimeClosed+stats.MaxLifetimeClosed, "with %d clients", clients)
		assert.LessOrEqual(t, stats.OpenConnections, 20)
	}
}
