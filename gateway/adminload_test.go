package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChangesLoseNoRequestAndNoCount(t *testing.T) {
	e := start(t, one("  - {name: key-auth, instance_name: keys}\n  - {name: rate-limiting, instance_name: limit, config: {hour: 1000}}"))
	e.made("/consumers", `{"username":"bob"}`)
	e.made("/consumers/bob/key-auth", `{"key":"a-key-of-bobs-0001"}`)
	var wait sync.WaitGroup
	const each = 40
	for range 4 {
		wait.Go(func() {
			for range each {
				assert.Equal(t, 200, e.get("/api", "apikey: a-key-of-bobs-0001").status)
			}
		})
	}
	for i := range 15 {
		assert.Equal(t, 200, e.json("PATCH", "/services/svc", fmt.Sprintf(`{"retries":%d}`, i)).status)
		assert.Equal(t, 200, e.json("PUT", "/consumers/eve", fmt.Sprintf(`{"custom_id":"%d"}`, i)).status)
		assert.Equal(t, 201, e.json("POST", "/consumers/eve/key-auth", `{}`).status)
		assert.Equal(t, 200, e.json("PATCH", "/plugins/keys", fmt.Sprintf(`{"config":{"hide_credentials":%v}}`, i%2 == 0)).status)
		assert.Equal(t, 201, e.json("POST", "/services/svc/routes", fmt.Sprintf(`{"paths":["/more%d"]}`, i)).status)
		assert.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/eve", "").status)
	}
	wait.Wait()
	assert.Contains(t, e.get("/api", "apikey: a-key-of-bobs-0001").header.Get("Ratelimit"), fmt.Sprintf("r=%d", 1000-4*each-1))
}

func TestAChangedPluginRunsAsItIsNow(t *testing.T) {
	e := start(t, one("  - {name: rate-limiting, instance_name: limit, config: {hour: 1000}}\n  - {name: correlation-id, instance_name: ids, config: {header_name: X-Old, echo_downstream: true}}"))
	assert.Contains(t, e.get("/api").header.Get("Ratelimit-Policy"), "q=1000")
	require.Equal(t, 200, e.json("PATCH", "/plugins/limit", `{"config":{"hour":2000}}`).status)
	require.Equal(t, 200, e.json("PATCH", "/plugins/ids", `{"config":{"header_name":"X-New"}}`).status)
	r := e.get("/api")
	assert.Contains(t, r.header.Get("Ratelimit-Policy"), "q=2000")
	assert.NotEmpty(t, r.header.Get("X-New"))
	assert.Empty(t, r.header.Get("X-Old"))
	require.Equal(t, 200, e.json("PATCH", "/plugins/limit", `{"enabled":false}`).status)
	assert.Empty(t, e.get("/api").header.Get("Ratelimit-Policy"))
	require.Equal(t, 200, e.json("PATCH", "/plugins/limit", `{"enabled":true}`).status)
	assert.Contains(t, e.get("/api").header.Get("Ratelimit-Policy"), "q=2000")
}

func TestTokensAreCheckedByTheCredentialsThatAreThereNow(t *testing.T) {
	e := start(t, one("  - {name: jwt}"))
	e.made("/consumers", `{"username":"bob"}`)
	const first, second = "the-first-secret-of-32-bytes-or-so", "the-second-secret-of-32-bytes-or-so"
	id := e.made("/consumers/bob/jwt", `{"key":"issuer","secret":"`+first+`"}`)
	e.made("/consumers/bob/jwt", `{"key":"other","secret":"`+first+`"}`)
	ask := func(secret string) int {
		return e.get("/api", "Authorization: Bearer "+token(secret, fmt.Sprintf(`{"iss":"issuer","exp":%d}`, time.Now().Add(time.Hour).Unix()))).status
	}
	assert.Equal(t, 200, ask(first))
	assert.Equal(t, 401, ask(second))
	require.Equal(t, 200, e.json("PATCH", "/jwts/"+id, `{"secret":"`+second+`"}`).status)
	assert.Equal(t, 401, ask(first))
	assert.Equal(t, 200, ask(second))
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/jwts/issuer", "").status)
	assert.Equal(t, 401, ask(second))
}

func TestEachRouteReadsKeysWhereItSaysSo(t *testing.T) {
	e := start(t, one(""))
	e.made("/services/svc/routes", `{"name":"a","paths":["/a"]}`)
	e.made("/services/svc/routes", `{"name":"b","paths":["/b"]}`)
	e.made("/routes/a/plugins", `{"name":"key-auth","config":{"key_names":["x-a"]}}`)
	e.made("/routes/b/plugins", `{"name":"key-auth","config":{"key_names":["x-b"]}}`)
	e.made("/consumers", `{"username":"bob"}`)
	e.made("/consumers/bob/key-auth", `{"key":"a-key-of-bobs-0001"}`)
	for path, want := range map[string]int{"/a": 200, "/b": 401} {
		assert.Equal(t, want, e.get(path, "X-A: a-key-of-bobs-0001").status, path)
		assert.Equal(t, 601-want, e.get(path, "X-B: a-key-of-bobs-0001").status, path)
	}
}
