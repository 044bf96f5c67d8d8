package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// operator returns oscar's access token.
func (s *service) operator() string {
	s.t.Helper()
	access, _ := s.login("oscar")
	return bearer(access)
}

// ops makes an operator's call, which must succeed.
func (s *service) ops(operator, path, body string) answer {
	s.t.Helper()
	a := s.post("/api/ops/"+path, body, operator)
	require.Equal(s.t, 200, a.status, "%s: %s", path, a.body)
	return a
}

func TestEndingAllSessionsSparesThoseThatBeginLater(t *testing.T) {
	s := startService(t, wide...)
	operator := s.operator()
	access, refresh := s.login("alice")
	s.ops(operator, "sessions/end/", `{"before":""}`)
	assert.Equal(t, 401, s.do("GET", "/api/secure/", "", bearer(access)).status)
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 401, s.do("GET", "/api/ops/state/", "", operator).status, "the operator's, too")
	access, _ = s.login("alice")
	assert.Equal(t, 200, s.do("GET", "/api/secure/", "", bearer(access)).status)
}

func TestALockdownLeavesTheWayToLiftIt(t *testing.T) {
	s := startService(t, wide...)
	operator := s.operator()
	s.ops(operator, "lockdown/", `{"mode":"deny","allow":["203.0.113.7"],"for":"90s","note":"drill"}`)
	a := s.do("GET", "/api/public/", "", "Origin: https://www.ecolaura.com")
	assert.Equal(t, 503, a.status)
	assert.Equal(t, "locked_down", a.field(t, "code"))
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	assert.Equal(t, "https://www.ecolaura.com", a.header.Get("Access-Control-Allow-Origin"), "pages can read why")
	assert.NotEmpty(t, a.header.Get("Content-Security-Policy"))
	assert.Equal(t, 200, s.do("GET", "/healthz", "").status)
	assert.Contains(t, s.do("GET", "/api/ops/lockdown/", "", s.operator()).body, `"note":"drill"`)
	s.ops(operator, "lockdown/lift/", `{}`)
	assert.Equal(t, 200, s.do("GET", "/api/public/", "").status)
	assert.JSONEq(t, `{"mode":"off"}`, s.do("GET", "/api/ops/lockdown/", "", operator).body)
}

// What has been replaced by a shorter order does not come back with an instance
// that starts later.
func TestAShorterLockdownReplacesALongerOne(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	s := startOn(t, db, wide...)
	operator := s.operator()
	s.ops(operator, "lockdown/", `{"mode":"read_only","for":"1h"}`)
	s.ops(operator, "lockdown/", `{"mode":"read_only","for":"1s"}`)
	time.Sleep(2100 * time.Millisecond) // whole seconds, never sooner
	for _, each := range []*service{s, startOn(t, db, wide...)} {
		assert.JSONEq(t, `{"mode":"off"}`, each.do("GET", "/api/ops/lockdown/", "", operator).body)
	}
}

func TestOnlyOperatorsAndOnlySensibleCalls(t *testing.T) {
	s := startService(t, wide...)
	operator := s.operator()
	alice, _ := s.login("alice")
	tests := []struct {
		desc, path, body string
		token            string
		status           int
		code             string
	}{
		{"a stranger", "lockdown/", `{"mode":"read_only","for":"1h"}`, "X-None: 1", 401, "not_authenticated"},
		{"a user without the scope", "lockdown/", `{"mode":"read_only","for":"1h"}`, bearer(alice), 403, "insufficient_scope"},
		{"a user who pages through the orders", "orders/", "", bearer(alice), 403, "insufficient_scope"},
		{"an unknown session", "sessions/end/", `{"session":"nope"}`, operator, 404, "not_found"},
		{"an unknown subject", "sessions/end/", `{"subject":"nope"}`, operator, 404, "not_found"},
		{"an unknown key", "keys/revoke/", `{"key":"0000000000000000"}`, operator, 404, "not_found"},
		{"an unknown owner", "keys/revoke/", `{"owner":"nope"}`, operator, 404, "not_found"},
		{"the caller's own address", "blocks/", `{"prefix":"127.0.0.0/8","for":"1h"}`, operator, 422, "own_address"},
		{"half of the Internet", "blocks/", `{"prefix":"128.0.0.0/1","for":"1h"}`, operator, 422, "too_wide"},
		{"a block that is not there", "blocks/lift/", `{"prefix":"203.0.113.7"}`, operator, 404, "not_found"},
		{"no rate", "rates/", `{"policy":"anon","rate":"5/moon","for":"1h"}`, operator, 422, "invalid"},
		{"a rate that locks operators out", "rates/", `{"policy":"edge","rate":"1/day","for":"1h"}`, operator, 422, "too_tight"},
		{"a wider rate", "rates/", `{"policy":"anon","rate":"10000000/hour","for":"1h"}`, operator, 422, "not_tighter"},
		{"an unknown policy", "rates/", `{"policy":"nope","rate":"1/hour","for":"1h"}`, operator, 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			method := "POST"
			if tt.body == "" {
				method = "GET"
			}
			a := s.do(method, "/api/ops/"+tt.path, tt.body, tt.token, asJSON)
			assert.Equal(t, tt.status, a.status, a.body)
			assert.Contains(t, a.body, `"code":"`+tt.code+`"`)
		})
	}
	assert.JSONEq(t, `{"mode":"off"}`, s.do("GET", "/api/ops/lockdown/", "", operator).body, "none of them did anything")
}

func TestBlocksAndRatesAreListedAndLifted(t *testing.T) {
	s := startService(t, append([]string{"-trusted-proxies", "127.0.0.0/8"}, wide...)...)
	s.behindProxy = true
	operator := s.operator()
	a := s.ops(operator, "blocks/", `{"prefix":"203.0.113.7","for":"90s"}`)
	assert.Equal(t, "203.0.113.7/32", a.field(t, "target"))
	assert.Regexp(t, `^{"blocks":\[{"prefix":"203.0.113.7/32","until":"[^"]+Z"}\]}$`, s.do("GET", "/api/ops/blocks/", "", operator).body)
	assert.Equal(t, 403, s.do("GET", "/api/public/", "", "X-Forwarded-For: 203.0.113.7").status)
	s.ops(operator, "blocks/lift/", `{"prefix":"203.0.113.7"}`)
	assert.Equal(t, 200, s.do("GET", "/api/public/", "", "X-Forwarded-For: 203.0.113.7").status)
	assert.JSONEq(t, `{"blocks":[]}`, s.do("GET", "/api/ops/blocks/", "", operator).body)

	s.ops(operator, "rates/", `{"policy":"anon","rate":"2/hour","for":"1h"}`)
	for _, want := range []int{200, 200, 429} {
		assert.Equal(t, want, s.do("GET", "/api/public/", "", "X-Forwarded-For: 203.0.113.8").status)
	}
	assert.Contains(t, s.do("GET", "/api/ops/rates/", "", operator).body, `{"policy":"anon","rate":"2/h","configured":"1000000/h","until":"`)
	s.ops(operator, "rates/lift/", `{"policy":"anon"}`)
	assert.Equal(t, 200, s.do("GET", "/api/public/", "", "X-Forwarded-For: 203.0.113.8").status)
	assert.NotContains(t, s.do("GET", "/api/ops/rates/", "", operator).body, "until")
}

func TestEveryCallIsAnEventWithItsActor(t *testing.T) {
	s := startService(t, wide...)
	operator := s.operator()
	alice, _ := s.login("alice")
	subject := claim(t, alice, "user_id")
	s.ops(operator, "sessions/end/", `{"subject":"`+subject+`","note":"they\ncalled"}`)
	line := lineWith(t, s.logs.String(), `"authz_admin"`)
	assert.Contains(t, line, `"actor":"`+claim(t, strings.TrimPrefix(operator, "Authorization: Bearer "), "user_id")+`"`)
	assert.Contains(t, line, `"action":"end_subject"`)
	assert.Contains(t, line, `"target":"`+subject+`"`)
	assert.Contains(t, s.do("GET", "/api/ops/metrics/", "", operator).body, `rampart_events_total{event="authz_admin"`)
}

func TestASigningKeyIsRotatedWhereTheServerManagesIt(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	one, two := startProcess(t, db, wide...), startProcess(t, db, wide...)
	access, refresh := one.login("alice")
	operator := one.operator()
	a := one.ops(operator, "signing-key/rotate/", `{"overlap":"1h"}`)
	fresh, _ := one.login("alice")
	assert.Equal(t, a.field(t, "kid"), header(t, fresh, "kid"))
	assert.Equal(t, 200, two.do("GET", "/api/secure/", "", bearer(fresh)).status, "every instance knew the key before it signed")
	assert.Equal(t, 200, one.do("GET", "/api/secure/", "", bearer(access)).status, "within the overlap")
	assert.Equal(t, 200, two.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)

	one.ops(operator, "signing-key/rotate/", `{"overlap":"0s","note":"leaked"}`)
	for _, s := range []*process{one, two} {
		s.soonRefused("/api/secure/", bearer(access))
		s.soonRefused("/api/secure/", bearer(fresh))
	}
	require.Equal(t, 0, two.stop(t))
	again := startProcess(t, db, wide...)
	fresh, _ = again.login("alice")
	assert.Equal(t, 200, one.do("GET", "/api/secure/", "", bearer(fresh)).status)
	assert.Equal(t, 401, again.do("GET", "/api/secure/", "", bearer(access)).status)
}

// claim and header read a token of ours, which is not verified here.
func claim(t *testing.T, token, name string) string  { return segment(t, token, 1)[name] }
func header(t *testing.T, token, name string) string { return segment(t, token, 0)[name] }

func segment(t *testing.T, token string, i int) map[string]string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(raw, &all))
	text := map[string]string{}
	for name, value := range all {
		text[name] = fmt.Sprint(value)
	}
	return text
}

func lineWith(t *testing.T, log, part string) string {
	t.Helper()
	for line := range strings.Lines(log) {
		if strings.Contains(line, part) {
			return line
		}
	}
	t.Fatalf("no line with %s", part)
	return ""
}
