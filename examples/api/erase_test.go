package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The steps of "Erasing a customer" in docs/privacy.md, beside a running server.
func TestAnErasedCustomerLeavesNothingBehind(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "privacy.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```sql\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, block)

	file := filepath.Join(t.TempDir(), "ecolaura.db")
	p := startProcess(t, file, wide...)
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(60000)")
	require.NoError(t, err)
	db.SetMaxOpenConns(1) // one session: the lines are a transaction
	defer db.Close()
	_, err = db.Exec(`INSERT INTO users (username, password, scopes, active, demo) SELECT 'erasmus', password, scopes, active, demo FROM users WHERE username = 'alice'`)
	require.NoError(t, err)
	access, refresh := p.login("erasmus")
	key := p.post("/api/keys/", `{"name":"crm of erasmus"}`, bearer(access)).field(t, "key")
	require.Equal(t, 201, p.post("/api/register/", `{"email":"erasmus@example.com","name":"Erasmus","phone":"+49301234567"}`).status)
	require.Equal(t, 200, p.do("GET", "/api/partner/", "", "X-API-Key: "+key).status)
	others, _ := p.login("alice")
	require.Equal(t, 201, p.post("/api/keys/", `{"name":"crm"}`, bearer(others)).status)

	operator := p.operator()
	id := claim(t, access, "user_id")
	p.ops(operator, "sessions/end/", `{"subject":"`+id+`"}`)
	p.ops(operator, "keys/revoke/", `{"owner":"`+id+`"}`)
	tables := map[string]int{"users": 3, "known_addresses": 2, "rampart_api_keys": 1, "rampart_sessions": 2, "customers": 0} // of others
	for table, rows := range tables {
		assert.Greater(t, count(t, db, table), rows, "%s has what is to be erased", table)
	}
	_, err = db.Exec(strings.NewReplacer("$ID", id, "$CUSTOMER", "1").Replace(string(block[1])))
	require.NoError(t, err)
	for table, rows := range tables {
		assert.Equal(t, rows, count(t, db, table), "%s has what is others', and nothing else", table)
	}
	assert.Equal(t, 401, p.do("GET", "/api/secure/", "", bearer(access)).status)
	assert.Equal(t, 401, p.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 401, p.do("GET", "/api/partner/", "", "X-API-Key: "+key).status)
	assert.Equal(t, 401, p.post("/api/token/", `{"username":"erasmus","password":"`+demoPassword+`"}`).status)
	assert.Equal(t, 200, p.do("GET", "/api/secure/", "", bearer(others)).status)

	require.NoError(t, db.Close())
	require.Equal(t, 0, p.stop(t)) // what is in the log of writes goes into the file
	rest, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	for _, name := range rest {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.NotContains(t, strings.ToLower(string(raw)), "erasmus", name)
	}
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM `+table).Scan(&n))
	return n
}
