package main

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

func scanAll(t *testing.T, rows *sql.Rows) string {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var b strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		for _, v := range values {
			switch x := (*v.(*any)).(type) {
			case []byte:
				b.Write(x)
			default:
				fmt.Fprint(&b, x)
			}
			b.WriteByte('|')
		}
	}
	require.NoError(t, rows.Err())
	return b.String()
}

// TestNoSecretReachesTheLogOrAnAnswer sends secrets to wherever they could go
// wrong and then looks for them in the log, at its most talkative level.
func TestNoSecretReachesTheLogOrAnAnswer(t *testing.T) {
	s := startService(t, wide...)
	alice, refresh := s.login("alice")
	made := s.post("/api/keys/", `{"name":"crm"}`, bearer(alice))
	key := made.field(t, "key")
	const phone, typed = "+49301234567", "hunter2-typed-as-user-name"
	s.post("/api/register/", `{"email":"a@example.com","name":"Ann","phone":"`+phone+`"}`)
	s.post("/api/register/", `{"email":"nope","name":"Ann","phone":"`+phone+`0000000"}`)
	s.do("GET", "/api/customers/1/", "", bearer(alice))
	s.post("/api/token/", `{"username":"`+typed+`","password":"`+typed+`"}`)
	s.post("/api/token/", `{"username":"alice","password":"`+typed+`"}`)
	s.do("GET", "/api/secure/?access="+alice, "", bearer(alice+"x"))
	s.do("GET", "/api/partner/?key="+key, "", "X-API-Key: "+key[:len(key)-1]+"0")
	s.post("/api/token/refresh/", `{"refresh":"`+refresh+`x"}`)
	s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
	s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
	s.post("/api/token/blacklist/", `{"refresh":"`+refresh+`"}`)
	s.post("/api/password/", `{"old":"`+typed+`","new":"`+typed+`"}`, bearer(alice))
	_, err := s.srv.db.Exec(`UPDATE customers SET phone = 'gAAAAAbroken' WHERE id = 1`)
	require.NoError(t, err)
	assert.Equal(t, 401, s.do("GET", "/api/customers/1/", "", bearer(alice)).status, "the session ended above")
	other, _ := s.login("alice")
	assert.Equal(t, 500, s.do("GET", "/api/customers/1/", "", bearer(other)).status)

	log := s.logs.String()
	require.NotEmpty(t, log)
	for what, secret := range map[string]string{
		"password": demoPassword, "typed password": typed, "access token": alice, "refresh token": refresh,
		"the token's signature": alice[strings.LastIndexByte(alice, '.')+1:], "API key": key, "key's secret": key[len(key)-20:],
		"phone": strings.TrimPrefix(phone, "+"),
	} {
		assert.NotContains(t, log, secret, what)
	}
	for _, file := range []string{".secret-key", ".fernet-keys"} {
		name := dbFile(t, s) + file
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.NotContains(t, log, strings.TrimSpace(string(text)))
	}
	stored := dump(t, s)
	for what, secret := range map[string]string{"password": demoPassword, "access token": alice, "refresh token": refresh, "API key": key, "phone": "301234567"} {
		assert.NotContains(t, stored, secret, what)
	}
}

func TestTheAuditFindsNothingWeak(t *testing.T) {
	s := startService(t, wide...)
	for _, f := range s.srv.layers.headers.Audit(s.srv.handler, "/api/public/", "/api/secure/", "/api/products/", "/healthz") {
		if f.ID != "hsts-subdomains" { // a name's other hosts are not this server's to decide
			assert.Equal(t, headers.SeverityInfo, f.Severity, f)
		}
	}
}

func dbFile(t *testing.T, s *service) string {
	t.Helper()
	var seq int
	var name, file string
	require.NoError(t, s.srv.db.QueryRow(`PRAGMA database_list`).Scan(&seq, &name, &file))
	return file
}
