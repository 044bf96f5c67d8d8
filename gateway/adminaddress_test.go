package gateway_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// json sends JSON.
func (e *edge) json(method, path, body string) reply {
	return do(e.t, method, e.admin+path, body, "Content-Type: application/json")
}

// text is v in JSON.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// made sends JSON that makes an entity, and returns its id.
func (e *edge) made(path, body string) string {
	e.t.Helper()
	r := e.json("POST", path, body)
	require.Equal(e.t, 201, r.status, r.body)
	id, _ := r.json(e.t)["id"].(string)
	return id
}

// rows lists a collection.
func (e *edge) rows(path string) []any {
	e.t.Helper()
	data, _ := do(e.t, "GET", e.admin+path, "").json(e.t)["data"].([]any)
	return data
}

// groupID returns the id of a consumer's group.
func (e *edge) groupID(consumer, group string) string {
	for _, row := range e.rows("/consumers/" + consumer + "/acls") {
		if m, _ := row.(map[string]any); m["group"] == group {
			return m["id"].(string) //nolint:forcetypeassert // of a test
		}
	}
	return ""
}

func TestTheSamePUTSaysTheSameEachTime(t *testing.T) {
	e := start(t, empty)
	e.made("/consumers", `{"username":"bob"}`)
	e.made("/upstreams", `{"name":"up"}`)
	for path, body := range map[string]string{
		"/services/s":                `{"host":"a"}`,
		"/upstreams/u":               `{}`,
		"/consumers/alice":           `{}`,
		"/consumers/dave":            `{"custom_id":"7"}`,
		"/plugins/limits":            `{"name":"rate-limiting","config":{"minute":5}}`,
		"/consumers/bob/acls/admins": `{}`,
		"/consumers/bob/key-auth/a-key-of-bobs-0001":                   `{}`,
		"/consumers/bob/jwt/issuer":                                    `{"secret":"0123456789abcdef0123456789abcdef"}`,
		"/consumers/bob/jwt/generated":                                 `{}`,
		"/upstreams/up/targets/10.0.0.1:80":                            `{"weight":5}`,
		"/upstreams/up/targets/10.0.0.2":                               `{}`,
		"/services/11111111-1111-4111-8111-111111111111":               `{"host":"b"}`,
		"/consumers/bob/key-auth/22222222-1111-4111-8111-111111111111": `{}`,
	} {
		first := e.json("PUT", path, body)
		require.Equal(t, 200, first.status, path+": "+first.body)
		for range 2 {
			again := e.json("PUT", path, body)
			require.Equal(t, 200, again.status, path+": "+again.body)
			want, got := first.json(t), again.json(t)
			delete(want, "updated_at")
			delete(got, "updated_at")
			assert.Equal(t, want, got, path)
		}
		assert.Equal(t, 200, do(t, "GET", e.admin+path, "").status, path)
	}
	assert.Len(t, e.rows("/services"), 2)
	assert.Len(t, e.rows("/consumers"), 3)
	assert.Len(t, e.rows("/upstreams/up/targets"), 2)
	assert.Equal(t, e.rows("/upstreams/up/targets"), e.rows("/upstreams/up/targets/all"))
	assert.Len(t, e.rows("/consumers/bob/acls"), 1)
	for path, body := range map[string]string{
		"/services/s":                       `{"name":"other","host":"a"}`,
		"/upstreams/up/targets/10.0.0.1:80": `{"target":"10.0.0.9:80"}`,
		"/consumers/bob/acls/admins":        `{"group":"users"}`,
	} {
		r := e.json("PUT", path, body)
		assert.Equal(t, 400, r.status, path)
		assert.Contains(t, r.body, "the address has another one", path)
	}
}

func TestWhatIsUniqueIsTakenOnce(t *testing.T) {
	e := start(t, empty)
	cert, key := pair(t, "a.example")
	e.made("/services", `{"id":"11111111-1111-4111-8111-111111111111","name":"s","host":"a"}`)
	e.made("/services/s/routes", `{"name":"r","paths":["/"]}`)
	for _, name := range []string{"bob", "eve"} {
		e.made("/consumers", `{"username":"`+name+`","custom_id":"id of `+name+`"}`)
	}
	e.made("/consumers/bob/key-auth", `{"key":"a-key-of-bobs-0001"}`)
	e.made("/consumers/bob/jwt", `{"key":"issuer"}`)
	e.made("/consumers/bob/acls", `{"group":"admins"}`)
	e.made("/consumers/eve/acls", `{"group":"admins"}`)
	for _, name := range []string{"up", "other"} {
		e.made("/upstreams", `{"name":"`+name+`"}`)
		e.made("/upstreams/"+name+"/targets", `{"target":"10.0.0.1"}`)
	}
	e.made("/plugins", `{"name":"prometheus","instance_name":"p"}`)
	id := e.made("/certificates", text(t, map[string]any{"cert": cert, "key": key}))
	e.made("/snis", `{"name":"a.example","certificate":"`+id+`"}`)
	e.made("/ca_certificates", text(t, map[string]any{"cert": cert}))
	before := e.g.Current()
	for _, c := range []struct{ path, body, field string }{
		{"/services", `{"id":"11111111-1111-4111-8111-111111111111","host":"a"}`, "id"},
		{"/services", `{"name":"s","host":"a"}`, "name"},
		{"/services/s/routes", `{"name":"r","paths":["/x"]}`, "name"},
		{"/consumers", `{"username":"bob"}`, "username"},
		{"/consumers", `{"username":"zoe","custom_id":"id of bob"}`, "custom_id"},
		{"/consumers/eve/key-auth", `{"key":"a-key-of-bobs-0001"}`, "key"},
		{"/consumers/eve/jwt", `{"key":"issuer"}`, "key"},
		{"/consumers/bob/acls", `{"group":"admins"}`, "group"},
		{"/upstreams", `{"name":"up"}`, "name"},
		{"/upstreams/up/targets", `{"target":"10.0.0.1:8000","weight":1}`, "target"},
		{"/plugins", `{"name":"prometheus"}`, "name"},
		{"/plugins", `{"name":"key-auth","instance_name":"p"}`, "instance_name"},
		{"/certificates/" + id + "/snis", `{"name":"a.example"}`, "name"},
		{"/ca_certificates", text(t, map[string]any{"cert": cert}), "cert_digest"},
	} {
		r := e.json("POST", c.path, c.body)
		assert.Equal(t, 409, r.status, c.path+": "+r.body)
		fields, _ := r.json(t)["fields"].(map[string]any)
		assert.Equal(t, []string{c.field}, slices.Collect(maps.Keys(fields)), c.path)
		assert.Contains(t, []float64{3, 5}, r.json(t)["code"], c.path)
		assert.NotContains(t, r.body, "a-key-of-bobs", "a key is a secret")
	}
	r := e.json("PATCH", "/consumers/eve", `{"username":"bob"}`)
	assert.Equal(t, 409, r.status, r.body)
	assert.Same(t, before, e.g.Current())
}

func TestEveryAddressIsResolvedOrNotFound(t *testing.T) {
	e := start(t, empty)
	for _, name := range []string{"bob", "eve"} {
		e.made("/consumers", `{"username":"`+name+`","custom_id":"id-`+name+`"}`)
		e.made("/consumers/"+name+"/acls", `{"group":"admins"}`)
		e.made("/upstreams", `{"name":"up-`+name+`"}`)
		e.made("/upstreams/up-"+name+"/targets", `{"target":"10.0.0.1:80"}`)
	}
	ids := map[string]string{
		"key":  e.made("/consumers/bob/key-auth", `{"key":"a-key-of-bobs-0001"}`),
		"bobs": e.groupID("bob", "admins"),
	}
	cert, key := pair(t, "a.example", "*.b.example")
	e.made("/certificates", text(t, map[string]any{"cert": cert, "key": key, "snis": []string{"a.example", "*.b.example"}}))
	const unknown = "99999999-1111-4111-8111-111111111111"

	for _, path := range []string{
		"/consumers/bob/acls/admins", "/consumers/bob/acls/" + ids["bobs"], "/acls/" + ids["bobs"], "/acls/" + strings.ToUpper(ids["bobs"]),
		"/acls/" + ids["bobs"] + "/consumer", "/key-auths/a-key-of-bobs-0001", "/key-auths/" + ids["key"],
		"/consumers/bob/key-auth/a-key-of-bobs-0001", "/upstreams/up-eve/targets/10.0.0.1:80",
		"/certificates/a.example", "/certificates/*.b.example", "/certificates/%2A.b.example/snis", "/snis/a.example",
		"/certificates/a.example/snis/*.b.example", "/snis/a.example/certificate", "/consumers/", "/consumers/bob/",
	} {
		assert.Equal(t, 200, do(t, "GET", e.admin+path, "").status, path)
	}
	for _, path := range []string{
		"/acls/admins", "/targets/10.0.0.1:80", "/consumers/id-bob", "/consumers/eve/acls/" + ids["bobs"],
		"/consumers/eve/key-auth/a-key-of-bobs-0001", "/consumers/eve/key-auth/" + ids["key"], "/certificates/c.example", "/vaults", "/consumers/bob/vaults/x/y",
		"/consumers//bob", "/upstreams/up-bob/targets/10.0.0.9:80", "/consumers/bob/acls/users", "/plugins/none",
	} {
		for _, method := range []string{"GET", "PATCH", "DELETE"} {
			r := do(t, method, e.admin+path, "")
			assert.Equal(t, 404, r.status, method+" "+path+": "+r.body)
		}
	}
	for _, path := range []string{"/consumers/none/acls", "/certificates/" + unknown + "/snis", "/services/" + unknown} {
		assert.Equal(t, 404, do(t, "GET", e.admin+path, "").status, path)
	}
	e.made("/consumers/eve/acls", `{"group":"`+unknown+`"}`)
	assert.Equal(t, 404, do(t, "DELETE", e.admin+"/consumers/eve/acls/"+unknown, "").status, "what looks like an id is one")
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/acls/"+e.groupID("eve", unknown), "").status)
	// What belongs to one parent cannot be replaced below another.
	for _, path := range []string{"/consumers/eve/acls/" + ids["bobs"], "/consumers/eve/key-auth/" + ids["key"], "/consumers/eve/key-auth/a-key-of-bobs-0001"} {
		assert.Equal(t, 404, e.json("PUT", path, `{}`).status, path)
	}
	r := e.json("POST", "/consumers/eve/acls", `{"group":"users","consumer":{"username":"bob"}}`)
	assert.Equal(t, 400, r.status, r.body)
	assert.Contains(t, r.body, "in the address")
	assert.Equal(t, 200, e.json("PATCH", "/consumers/eve/acls/admins", `{"consumer":"eve","tags":["x"]}`).status)

	// Each of these names something that is there, and it goes.
	for _, c := range []struct{ path, list string }{
		{"/consumers/bob/acls/admins", "/consumers/bob/acls"},
		{"/upstreams/up-bob/targets/10.0.0.1:80", "/upstreams/up-bob/targets"},
		{"/key-auths/a-key-of-bobs-0001", "/key-auths"},
		{"/certificates/a.example", "/certificates"},
	} {
		assert.Equal(t, 204, do(t, "DELETE", e.admin+c.path, "").status, c.path)
		assert.Empty(t, e.rows(c.list), c.list)
	}
	assert.Empty(t, e.rows("/snis"), "they went with their certificate")
	assert.Len(t, e.rows("/acls"), 1, "eve's")
	assert.Len(t, e.rows("/targets"), 1)
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/key-auths/"+ids["key"], "").status, "an id that has gone is gone")
	assert.Equal(t, 404, do(t, "DELETE", e.admin+"/consumers/bob/key-auth/"+ids["key"], "").status)
}

func TestAConsumerThatStandsForStrangersStays(t *testing.T) {
	e := start(t, empty)
	id := e.made("/consumers", `{"username":"nobody"}`)
	e.made("/plugins", `{"name":"key-auth","instance_name":"keys","config":{"anonymous":"nobody"}}`)
	r := do(t, "DELETE", e.admin+"/consumers/nobody", "")
	assert.Equal(t, 400, r.status)
	assert.InDelta(t, 19, r.json(t)["code"], 0)
	r = e.json("PATCH", "/consumers/nobody", `{"username":"somebody"}`)
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.body, "anonymous consumer")
	require.Equal(t, 200, e.json("PATCH", "/plugins/keys", `{"config":{"anonymous":"`+id+`"}}`).status)
	assert.Equal(t, 200, e.json("PATCH", "/consumers/nobody", `{"username":"somebody"}`).status)
	require.Equal(t, 200, e.json("PATCH", "/plugins/keys", `{"config":{"anonymous":null}}`).status)
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/somebody", "").status)
}

func TestACertificateThatItsNamesDoNotFitIsRefused(t *testing.T) {
	e := start(t, empty)
	cert, key := pair(t, "a.example")
	id := e.made("/certificates", text(t, map[string]any{"cert": cert, "key": key, "snis": []string{"a.example"}}))
	cert, key = pair(t, "other.example")
	r := e.json("PATCH", "/certificates/"+id, text(t, map[string]any{"cert": cert, "key": key}))
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.body, "not for")
	r = e.json("PATCH", "/certificates/"+id, text(t, map[string]any{"cert": cert, "key": key, "snis": []string{"other.example"}}))
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, []any{"other.example"}, r.json(t)["snis"])
	assert.Equal(t, 404, do(t, "GET", e.admin+"/snis/a.example", "").status)
	r = e.json("PUT", "/certificates/other.example", text(t, map[string]any{"cert": cert, "key": key}))
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, id, r.json(t)["id"], "PUT by a name finds it")
	assert.Equal(t, []any{"other.example"}, r.json(t)["snis"])
	cert, key = pair(t, "new.example")
	r = e.json("PUT", "/certificates/new.example", text(t, map[string]any{"cert": cert, "key": key}))
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, []any{"new.example"}, r.json(t)["snis"], "PUT by a name gives it that")
}
