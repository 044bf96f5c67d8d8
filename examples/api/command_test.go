package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// shell runs a command in this process, as an operator's shell does.
func shell(t *testing.T, db, stdin string, words ...string) (status int, out, log string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	none := func(string) string { return "" }
	status = run(t.Context(), append([]string{"-db", db}, words...), none, strings.NewReader(stdin), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

const operatorPassword = "a long enough password"

func TestAnOperatorIsMadeFromTheShell(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	status, out, log := shell(t, db, operatorPassword+"\n", "user", "add", "olga", "ops", "keys:manage")
	require.Equal(t, 0, status, log)
	assert.Equal(t, "Done: user add olga ops keys:manage.\n", out)
	assert.Contains(t, log, "event=authz_admin actor=shell action=\"user add\"")
	assert.NotContains(t, out+log, operatorPassword)

	s := startOn(t, db, wide...)
	login := `{"username":"olga","password":"` + operatorPassword + `"}`
	a := s.post("/api/token/", login)
	require.Equal(t, 200, a.status, a.body)
	operator := bearer(a.field(t, "access"))
	assert.Equal(t, 200, s.do("GET", "/api/ops/", "", operator).status)
	assert.Equal(t, 401, s.post("/api/token/", `{"username":"alice","password":"`+demoPassword+`"}`).status, "no demo accounts beside a real one")

	t.Run("a scope that is taken away is gone at once", func(t *testing.T) {
		status, _, log := shell(t, db, "", "user", "scopes", "olga", "keys:manage")
		require.Equal(t, 0, status, log)
		s.soonRefused("/api/ops/", operator)
		assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+a.field(t, "refresh")+`"}`).status)
		again := s.post("/api/token/", login)
		require.Equal(t, 200, again.status)
		assert.Equal(t, 403, s.do("GET", "/api/ops/", "", bearer(again.field(t, "access"))).status)
		_, out, _ := shell(t, db, "", "user", "list")
		assert.Equal(t, "olga\tactive\tkeys:manage\n", out)
	})
	t.Run("a new password ends what the old one began", func(t *testing.T) {
		before := s.post("/api/token/", login)
		status, _, log := shell(t, db, "another long password", "user", "password", "olga")
		require.Equal(t, 0, status, log)
		s.soonRefused("/api/secure/", bearer(before.field(t, "access")))
		assert.Equal(t, 401, s.post("/api/token/", login).status)
		login = strings.Replace(login, operatorPassword, "another long password", 1)
		assert.Equal(t, 200, s.post("/api/token/", login).status)
	})
	t.Run("a disabled account does nothing until it is enabled", func(t *testing.T) {
		before := s.post("/api/token/", login)
		status, _, log := shell(t, db, "", "user", "disable", "olga")
		require.Equal(t, 0, status, log)
		s.soonRefused("/api/secure/", bearer(before.field(t, "access")))
		assert.Equal(t, 401, s.post("/api/token/", login).status)
		_, out, _ := shell(t, db, "", "user", "list")
		assert.Equal(t, "olga\tdisabled\tkeys:manage\n", out)
		status, _, log = shell(t, db, "", "user", "enable", "olga")
		require.Equal(t, 0, status, log)
		assert.Equal(t, 200, s.post("/api/token/", login).status)
	})
}

func TestACommandThatIsWrongChangesNothing(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	require.Equal(t, 0, first(shell(t, db, operatorPassword, "user", "add", "olga", "ops")))
	for _, tt := range []struct {
		desc, stdin string
		words       []string
		status      int
		want        string
	}{
		{"no verb", "", []string{"user"}, 2, "not a command"},
		{"an unknown verb", "", []string{"user", "drop", "olga"}, 2, "not a command"},
		{"no name", operatorPassword, []string{"user", "add"}, 2, "not a command"},
		{"a scope where there is none", operatorPassword, []string{"user", "disable", "olga", "ops"}, 2, "not a command"},
		{"a token for two", "", []string{"token", "olga", "oscar"}, 2, "not a command"},
		{"a name with a space", operatorPassword, []string{"user", "add", "ol ga"}, 2, "without spaces"},
		{"a scope with a space", operatorPassword, []string{"user", "add", "otto", "ops keys:manage"}, 2, "without spaces"},
		{"an empty scope", operatorPassword, []string{"user", "add", "otto", ""}, 2, "without spaces"},
		{"a flag behind the command, which would be a scope", operatorPassword, []string{"user", "add", "otto", "-db", "postgres://otto:hidden@localhost/x"}, 2, "flags stand before the command"},
		{"a flag in place of a name", "", []string{"token", "-demo"}, 2, "flags stand before the command"},
		{"a short password", "short\n", []string{"user", "add", "otto"}, 1, "12 to 1024"},
		{"no password", "", []string{"user", "add", "otto"}, 1, "12 to 1024"},
		{"a name that is taken", "another long password", []string{"user", "add", "olga"}, 1, "is there already"},
		{"an account that is not there", "", []string{"user", "disable", "otto"}, 1, "no such account"},
		{"a password of nobody", operatorPassword, []string{"user", "password", "otto"}, 1, "no such account"},
		{"a token of nobody", "", []string{"token", "otto"}, 1, "no such account"},
		{"a word that is no command", "", []string{"serve"}, 2, "unexpected argument"},
	} {
		status, out, log := shell(t, db, tt.stdin, tt.words...)
		assert.Equal(t, tt.status, status, tt.desc)
		assert.Contains(t, log, tt.want, tt.desc)
		assert.Empty(t, out, tt.desc)
		assert.NotContains(t, log, "hidden", tt.desc)
		assert.NotContains(t, log, "sql:", tt.desc)
	}
	_, out, _ := shell(t, db, "", "user", "list")
	assert.Equal(t, "olga\tactive\tops\n", out)
	s := startOn(t, db, wide...)
	assert.Equal(t, 200, s.post("/api/token/", `{"username":"olga","password":"`+operatorPassword+`"}`).status)
}

func TestNoMistakeInAURLShowsItsPassword(t *testing.T) {
	for _, db := range []string{
		"postgres://u:hidden@127.0.0.1:x/x", "postgres://u:an@hidden@127.0.0.1/x?sslmode=bogus", "postgres://u:hidden%zz@127.0.0.1/x",
		"postgres ://u:hidden@127.0.0.1/x", "Postgres://u:hidden@127.0.0.1/x", "postgres://u:hidden@127.0.0.1:1/x",
	} {
		status, out, log := shell(t, db, "", "user", "list")
		assert.Equal(t, 1, status, db)
		assert.Empty(t, out)
		assert.Contains(t, log, "api: database: ", db)
		assert.NotContains(t, log, "hidden", db)
	}
}

func first(status int, _, _ string) int { return status }

// From an empty database to a working operator: the commands of docs/scaling.md.
func TestAnEmptyPostgreSQLGetsItsOperator(t *testing.T) {
	dsn := freshPostgres(t)
	require.Equal(t, 0, first(shell(t, dsn, operatorPassword+"\n", "user", "add", "olga", "ops")), "it takes no secret but the database's")
	env := map[string]string{"ECOLAURA_SECRET_KEY": rand.Text() + rand.Text(), "ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal()}
	cfg, err := parse([]string{"-db", dsn}, func(name string) string { return env[name] }, io.Discard)
	require.NoError(t, err)
	srv, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(srv.close)
	web := httptest.NewServer(srv.handler)
	t.Cleanup(web.Close)
	s := &service{t: t, url: web.URL, srv: srv}
	a := s.post("/api/token/", `{"username":"olga","password":"`+operatorPassword+`"}`)
	require.Equal(t, 200, a.status, a.body)
	assert.Equal(t, 200, s.do("GET", "/api/ops/", "", bearer(a.field(t, "access"))).status)
}
