package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokensAreObtainedRefreshedVerifiedAndEnded(t *testing.T) {
	s := startService(t, wide...)
	access, refresh := s.login("alice")
	assert.Equal(t, ok200(`{"message":"This is a secure endpoint."}`), brief(s.do("GET", "/api/secure/", "", bearer(access))))

	form := s.do("POST", "/api/token/", "username=alice&password=correct+horse+battery+staple", "Content-Type: application/x-www-form-urlencoded")
	assert.Equal(t, 200, form.status, form.body)
	assert.Equal(t, "no-store", form.header.Get("Cache-Control"))

	wrong := s.post("/api/token/", `{"username":"alice","password":"x"}`)
	assert.Equal(t, 401, wrong.status)
	assert.Equal(t, "No active account found with the given credentials", wrong.field(t, "detail"))

	assert.Equal(t, ok200(`{}`), brief(s.post("/api/token/verify/", `{"token":"`+access+`"}`)))
	assert.Equal(t, 401, s.post("/api/token/verify/", `{"token":"`+access+`x"}`).status)

	next := s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
	require.Equal(t, 200, next.status, next.body)
	again := s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
	require.Equal(t, 200, again.status)
	assert.Equal(t, next.field(t, "refresh"), again.field(t, "refresh"), "within the grace the same successor")
	third := s.post("/api/token/refresh/", `{"refresh":"`+next.field(t, "refresh")+`"}`)
	require.Equal(t, 200, third.status)
	reuse := s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
	assert.Equal(t, 401, reuse.status, "a reuse after its successor was used")
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+third.field(t, "refresh")+`"}`).status, "ends the session")
	assert.Equal(t, 401, s.do("GET", "/api/secure/", "", bearer(third.field(t, "access"))).status, "its access token too")
	assert.Contains(t, s.logs.String(), "authn_token_reuse")

	access, refresh = s.login("alice")
	assert.Equal(t, ok200(`{}`), brief(s.post("/api/token/blacklist/", `{"refresh":"`+refresh+`"}`)))
	assert.Equal(t, 401, s.post("/api/token/blacklist/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 401, s.do("GET", "/api/secure/", "", bearer(access)).status)

	jwks := s.do("GET", "/.well-known/jwks.json", "")
	assert.Equal(t, 200, jwks.status)
	assert.JSONEq(t, `{"keys":[]}`, jwks.body, "a symmetric key is never published")
}

func TestAPasswordChangeEndsEverySessionOfTheUser(t *testing.T) {
	s := startService(t, wide...)
	access, refresh := s.login("bob")
	other, _ := s.login("bob")
	alice, _ := s.login("alice")

	wrong := s.post("/api/password/", `{"old":"wrong","new":"another long password"}`, bearer(access))
	assert.Equal(t, 422, wrong.status)
	assert.Contains(t, wrong.body, `"pointer":"#/old"`)
	assert.Equal(t, 422, s.post("/api/password/", `{"old":"`+demoPassword+`","new":"short"}`, bearer(access)).status)
	assert.Equal(t, 401, s.post("/api/password/", `{"old":"`+demoPassword+`","new":"another long password"}`).status)

	changed := s.post("/api/password/", `{"old":"`+demoPassword+`","new":"another long password"}`, bearer(access))
	require.Equal(t, 204, changed.status, changed.body)
	for _, token := range []string{access, other} {
		assert.Equal(t, 401, s.do("GET", "/api/secure/", "", bearer(token)).status)
	}
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 200, s.do("GET", "/api/secure/", "", bearer(alice)).status, "another user's session stays")
	assert.Equal(t, 401, s.post("/api/token/", `{"username":"bob","password":"`+demoPassword+`"}`).status)
	assert.Equal(t, 200, s.post("/api/token/", `{"username":"bob","password":"another long password"}`).status)
}

func TestProductsAreListedAndSoldWithTheScope(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	bob, _ := s.login("bob")
	const soap = `{"name":" Soap ","description":"<b>good</b><script>alert(1)</script> <a href=\"javascript:x\">x</a>","price":"3.5"}`

	assert.Equal(t, 401, s.post("/api/products/", soap).status)
	denied := s.post("/api/products/", soap, bearer(bob))
	assert.Equal(t, 403, denied.status)
	assert.Contains(t, denied.header.Get("WWW-Authenticate"), `error="insufficient_scope"`)

	made := s.post("/api/products/", soap, bearer(alice))
	require.Equal(t, 201, made.status, made.body)
	assert.Equal(t, "Soap", made.field(t, "name"))
	assert.NotContains(t, made.body, "alert")
	assert.Contains(t, made.field(t, "description"), "<b>good</b>")
	assert.Equal(t, "3.50", made.field(t, "price"))

	var list []product
	require.NoError(t, json.Unmarshal([]byte(s.do("GET", "/api/products/", "").body), &list))
	assert.Len(t, list, 4)
	require.NoError(t, json.Unmarshal([]byte(s.do("GET", "/api/products/?after=3", "").body), &list))
	assert.Len(t, list, 1)
	assert.Equal(t, 422, s.do("GET", "/api/products/?after=x", "").status)

	for _, bad := range []string{`{}`, `{"name":"x"}`, `{"name":"x","price":"free"}`, `{"name":"x","price":"1.234"}`, `{"name":"x","price":"-1"}`, `{"name":"","price":"1"}`, `{"name":"x","price":"1","extra":1}`} {
		assert.Equal(t, 422, s.post("/api/products/", bad, bearer(alice)).status, bad)
	}
}

func TestCustomersRegisterAndTheirPhonesRestEncrypted(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	bob, _ := s.login("bob")
	const ann = `{"email":"Ann@Example.com","name":"Ann <script>","phone":"+49 30 1234567"}`
	made := s.post("/api/register/", ann)
	require.Equal(t, 201, made.status, made.body)
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(made.body), &out))
	assert.NotContains(t, out, "phone")
	assert.Equal(t, 201, s.post("/api/register/", ann).status, "an address may register again")

	var stored string
	require.NoError(t, s.srv.db.QueryRow(`SELECT phone FROM customers WHERE id = 1`).Scan(&stored))
	assert.Regexp(t, `^gAAAAA`, stored)

	read := s.do("GET", "/api/customers/1/", "", bearer(alice))
	require.Equal(t, 200, read.status, read.body)
	assert.Equal(t, "+49301234567", read.field(t, "phone"))
	assert.Equal(t, "no-store", read.header.Get("Cache-Control"))
	assert.Equal(t, 403, s.do("GET", "/api/customers/1/", "", bearer(bob)).status)
	assert.Equal(t, 401, s.do("GET", "/api/customers/1/", "").status)
	for _, id := range []string{"99", "x", "1%20OR%201=1", "99999999999999999999", "01", "+1", "-1", "%31%20"} {
		assert.Equal(t, 404, s.do("GET", "/api/customers/"+id+"/", "", bearer(alice)).status, id)
	}

	many := s.post("/api/register/", `{"email":"nobody","phone":"12"}`)
	assert.Equal(t, 422, many.status)
	for _, pointer := range []string{"#/email", "#/name", "#/phone"} {
		assert.Contains(t, many.body, `"pointer":"`+pointer+`"`)
	}
}

func TestAKeyHasNoRightThatItsOwnerHasLost(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	made := s.post("/api/keys/", `{"name":"crm","scopes":["customers:read","products:write"]}`, bearer(alice))
	require.Equal(t, 201, made.status, made.body)
	_, err := s.srv.db.ExecContext(t.Context(), `UPDATE users SET scopes = 'products:write' WHERE username = 'alice'`)
	require.NoError(t, err)
	caller, err := s.srv.layers.keys.Verify(t.Context(), made.field(t, "key"), netip.Addr{})
	require.NoError(t, err)
	assert.True(t, caller.HasScope("products:write"))
	assert.False(t, caller.HasScope("customers:read"))
}

func TestAPIKeysAreMadeUsedRotatedAndRevokedByTheirOwner(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	bob, _ := s.login("bob")
	assert.Equal(t, 401, s.do("GET", "/api/partner/", "").status)
	assert.Equal(t, 403, s.post("/api/keys/", `{"name":"crm"}`, bearer(bob)).status)
	assert.Equal(t, 403, s.post("/api/keys/", `{"name":"crm","scopes":["ops"]}`, bearer(alice)).status, "a scope that she lacks")

	made := s.post("/api/keys/", `{"name":"crm","scopes":["customers:read"]}`, bearer(alice))
	require.Equal(t, 201, made.status, made.body)
	id, key := made.field(t, "id"), made.field(t, "key")
	assert.Equal(t, ok200(`{"message":"Hello, partner."}`), brief(s.do("GET", "/api/partner/", "", "X-API-Key: "+key)))
	assert.Equal(t, 401, s.do("GET", "/api/partner/", "", "X-API-Key: "+key+"x").status)
	assert.Equal(t, 401, s.do("GET", "/api/partner/?api_key="+key, "").status)

	list := s.do("GET", "/api/keys/", "", bearer(alice))
	assert.Equal(t, 200, list.status)
	assert.Contains(t, list.body, id)
	assert.NotContains(t, list.body, key)

	rotated := s.post("/api/keys/"+id+"/rotate/", `{"overlap":"24h"}`, bearer(alice))
	require.Equal(t, 201, rotated.status, rotated.body)
	for _, k := range []string{key, rotated.field(t, "key")} {
		assert.Equal(t, 200, s.do("GET", "/api/partner/", "", "X-API-Key: "+k).status)
	}
	assert.Equal(t, 204, s.do("DELETE", "/api/keys/"+rotated.field(t, "id")+"/", "", bearer(alice)).status)
	assert.Equal(t, 401, s.do("GET", "/api/partner/", "", "X-API-Key: "+rotated.field(t, "key")).status)
	assert.Equal(t, 404, s.do("DELETE", "/api/keys/nope/", "", bearer(alice)).status)

	stored := dump(t, s)
	assert.NotContains(t, stored, key)
}

func TestLimitsAreExactAndScale(t *testing.T) {
	s := startService(t)
	for i := range 100 {
		require.Equal(t, 200, s.do("GET", "/api/public/", "").status, i)
	}
	over := s.do("GET", "/api/public/", "", "Origin: https://www.ecolaura.com")
	assert.Equal(t, 429, over.status)
	assert.Regexp(t, `^Request was throttled\. Expected available in \d+ seconds\.$`, over.field(t, "detail"))
	assert.NotEmpty(t, over.header.Get("Retry-After"))
	assert.NotEmpty(t, over.header.Get("RateLimit-Policy"))
	assert.Equal(t, "https://www.ecolaura.com", over.header.Get("Access-Control-Allow-Origin"), "readable by an allowed page")
	assert.Equal(t, 429, s.do("GET", "/api/products/", "").status, "one limit for all public paths")
	assert.NotEqual(t, 200, s.do("GET", "/api/public/", "", "X-Forwarded-For: 203.0.113.9").status, "a header buys nothing")
	assert.Equal(t, 204, s.do("OPTIONS", "/api/public/", "", "Origin: https://www.ecolaura.com", "Access-Control-Request-Method: GET").status)

	alice, _ := s.login("alice")
	assert.Equal(t, 200, s.do("GET", "/api/public/", "", bearer(alice)).status, "a user has a limit of their own")
	assert.Equal(t, 200, s.do("GET", "/healthz", "").status)

	for range 19 { // log-in: a fifth of the anonymous rate, failures only
		require.Equal(t, 401, s.post("/api/token/", `{"username":"alice","password":"x"}`).status)
	}
	s.login("alice")
	require.Equal(t, 401, s.post("/api/token/", `{"username":"alice","password":"x"}`).status)
	tired := s.post("/api/token/", `{"username":"alice","password":"x"}`)
	assert.Equal(t, 429, tired.status)
	assert.NotEmpty(t, tired.header.Get("Retry-After"))
}

func TestWhoMayNoLongerLogInIsOutWithinSeconds(t *testing.T) {
	s := startService(t, wide...)
	access, refresh := s.login("alice")
	key := s.post("/api/keys/", `{"name":"crm"}`, bearer(access)).field(t, "key")
	assert.Equal(t, 200, s.do("GET", "/api/partner/", "", "X-API-Key: "+key).status)
	_, err := s.srv.db.Exec(`UPDATE users SET active = FALSE WHERE username = 'alice'`)
	require.NoError(t, err)
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status, "at once")
	s.soonRefused("/api/secure/", bearer(access))
	s.soonRefused("/api/partner/", "X-API-Key: "+key)
}

func ok200(body string) answer { return answer{status: http.StatusOK, body: body} }

// brief is an answer without its headers.
func brief(a answer) answer { return answer{status: a.status, body: a.body} }

// dump returns every text in the database, as a thief would read it.
func dump(t *testing.T, s *service) string {
	t.Helper()
	var text strings.Builder
	for _, table := range []string{"users", "products", "customers"} {
		rows, err := s.srv.db.Query(`SELECT * FROM ` + table)
		require.NoError(t, err)
		text.WriteString(scanAll(t, rows))
	}
	rows, err := s.srv.db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('users', 'products', 'customers')`)
	require.NoError(t, err)
	var names []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Close())
	for _, name := range names {
		rows, err := s.srv.db.Query(`SELECT * FROM ` + name)
		require.NoError(t, err)
		text.WriteString(scanAll(t, rows))
	}
	return text.String()
}

func TestHealthChecksAreNotLimited(t *testing.T) {
	s := startService(t, "-anon-rate", "1/hour", "-user-rate", "1/hour") // the edge lets 10 pass
	for range 20 {
		require.Equal(t, 200, s.do("GET", "/healthz", "").status)
	}
	for range 10 {
		require.Equal(t, 404, s.do("GET", "/nope", "").status)
	}
	assert.Equal(t, 429, s.do("GET", "/nope", "").status)
	a := s.do("GET", "/healthz", "")
	assert.Equal(t, 200, a.status)
	protected(t, a)
}

func TestTheRedirectLeadsToThePortOfTheTLSListener(t *testing.T) {
	s := startService(t, "-addr", "127.0.0.1:8443", "-tls-cert", "cert.pem", "-tls-key", "key.pem")
	a := s.do("GET", "/api/public/?a=b", "", "Via: 1.1 proxy") // else loopback is served
	assert.Equal(t, 308, a.status)
	assert.Equal(t, "https://127.0.0.1:8443/api/public/?a=b", a.header.Get("Location"))
}

func TestAClientThatIsGoneGetsNoEmptySuccess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &app{log: slog.New(slog.DiscardHandler)}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/register/", nil)
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { a.fail(httptest.NewRecorder(), r, ctx.Err()) })
}
