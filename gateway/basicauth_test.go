package gateway_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func basic(name, pw string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+pw))
}

func TestBasicAuthDoesWhatKongDocuments(t *testing.T) {
	e := start(t, one(`  - {name: basic-auth, config: {hide_credentials: true}}`))
	require.Equal(t, 201, e.form("POST", "/consumers", "username", "Jason").status)
	made := e.form("POST", "/consumers/Jason/basic-auth", "username", "Jason", "password", "JasonPassword")
	require.Equal(t, 201, made.status, made.body)
	hash, _ := made.json(t)["password"].(string)
	assert.Contains(t, hash, "$argon2id$")
	assert.NotContains(t, do(t, "GET", e.admin+"/config", "").body, "JasonPassword")
	assert.Equal(t, 200, do(t, "GET", e.admin+"/basic-auths/Jason", "").status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/consumers/Jason/basic-auth/Jason", "").status)

	r := e.get("/api", basic("Jason", "JasonPassword"))
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, "Jason", r.sent(t, "X-Consumer-Username"))
	assert.NotEmpty(t, r.sent(t, "X-Credential-Identifier"))
	assert.Empty(t, r.sent(t, "Authorization"), "hidden")
	assert.Equal(t, 200, e.get("/api", strings.Replace(basic("Jason", "JasonPassword"), "Authorization", "Proxy-Authorization", 1)).status)

	refused := e.get("/api")
	assert.Equal(t, 401, refused.status)
	assert.Equal(t, `Basic realm="service", charset="UTF-8"`, refused.header.Get("WWW-Authenticate"))
	for _, header := range []string{
		basic("Jason", "wrong"), basic("Jason", ""), basic("nobody", "JasonPassword"), basic("jason", "JasonPassword"), basic("", "JasonPassword"),
		basic("Jason", hash), basic("Jason", strings.Repeat("x", 5000)), "Authorization: Basic %%%", "Authorization: Basic", "Authorization: Bearer x",
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("Jason")),
	} {
		r := e.get("/api", header)
		assert.Equal(t, 401, r.status, header)
		assert.Equal(t, refused.body, r.body, "the client does not learn why")
	}
	assert.Equal(t, 401, e.get("/api", basic("Jason", "wrong"), basic("Jason", "JasonPassword")).status, "two headers")
	assert.Equal(t, 401, e.get("/api", basic("Jason", "JasonPassword"), basic("Jason", "wrong")).status, "two headers")
	assert.NotContains(t, e.log.String(), "JasonPassword")

	require.Equal(t, 200, e.form("PATCH", "/basic-auths/Jason", "password", "another one").status)
	assert.Equal(t, 401, e.get("/api", basic("Jason", "JasonPassword")).status)
	assert.Equal(t, 200, e.get("/api", basic("Jason", "another one")).status)
	require.Equal(t, 204, e.form("DELETE", "/basic-auths/Jason").status)
	assert.Equal(t, 401, e.get("/api", basic("Jason", "another one")).status)
}

const basicPeople = `
consumers:
  - username: carol
    basicauth_credentials:
      - {username: carol, password: "correct horse"}
      - {username: dora, password: "pbkdf2_sha256$1000$c2FsdHNhbHQ$BOeA82bCW3hVQmuhBRG0rbG/tvz5eYMYJgsZaWYlqlc="}
  - username: nobody
`

func TestAFileMayHavePlainPasswordsAndDjangosHashes(t *testing.T) {
	e := start(t, one(`  - {name: basic-auth, config: {anonymous: nobody, realm: shop}}`)+basicPeople)
	assert.Equal(t, "carol", e.get("/api", basic("carol", "correct horse")).sent(t, "X-Consumer-Username"))
	assert.Equal(t, "carol", e.get("/api", basic("dora", "dora pw")).sent(t, "X-Consumer-Username"))
	assert.Equal(t, "nobody", e.get("/api", basic("carol", "wrong")).sent(t, "X-Consumer-Username"))
	assert.Equal(t, "true", e.get("/api").sent(t, "X-Anonymous-Consumer"))
	assert.Equal(t, basic("carol", "correct horse"), "Authorization: "+e.get("/api", basic("carol", "correct horse")).sent(t, "Authorization"), "not hidden")

	before := do(t, "GET", e.admin+"/basic-auths/carol", "").json(t)["password"]
	require.NoError(t, e.g.Reload(t.Context()))
	assert.Equal(t, before, do(t, "GET", e.admin+"/basic-auths/carol", "").json(t)["password"], "hashed once")
	require.Equal(t, 201, e.form("POST", "/consumers?save=true", "username", "new").status)
	text, err := os.ReadFile(e.file)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "correct horse", "a file that is saved has hashes")
	require.NoError(t, e.g.Reload(t.Context()))
	assert.Equal(t, "carol", e.get("/api", basic("carol", "correct horse")).sent(t, "X-Consumer-Username"))
}

func TestAFloodOfWrongPasswordsIsBoundedAndLeavesTheOthersAlone(t *testing.T) {
	e := start(t, one(`  - {name: basic-auth}`)+basicPeople)
	require.Equal(t, 200, e.get("/api", basic("carol", "correct horse")).status)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 300 {
		wg.Go(func() {
			r := e.get("/api", basic("nobody", "x"))
			mu.Lock()
			defer mu.Unlock()
			got[r.status]++
		})
	}
	assert.Equal(t, 200, e.get("/api", basic("carol", "correct horse")).status, "what is known is not hashed again")
	wg.Wait()
	assert.Equal(t, 300, got[http.StatusUnauthorized]+got[http.StatusServiceUnavailable], got)
}

func TestBasicAuthRefusesBadCredentials(t *testing.T) {
	e := start(t, one("")+basicPeople)
	for _, c := range []struct{ field, value, want string }{
		{"username", "a:b", "without a colon"}, {"username", "carol", "has the same"}, {"password", "", "1 to 1024"},
	} {
		form := []string{"username", "x", "password", "y"}
		for i := 0; i < len(form); i += 2 {
			if form[i] == c.field {
				form[i+1] = c.value
			}
		}
		r := e.form("POST", "/consumers/carol/basic-auth", form...)
		assert.GreaterOrEqual(t, r.status, 400, c)
		assert.Contains(t, r.body, c.want, c)
	}
	assert.Equal(t, 400, e.form("POST", "/plugins", "name", "basic-auth", "config.realm", `a"b`).status)
	assert.Equal(t, 400, e.form("POST", "/plugins", "name", "basic-auth", "config.anonymous", "who").status)
}
