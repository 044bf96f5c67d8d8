package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheAdminAPISaysWhatItIs(t *testing.T) {
	e := start(t, one("  - {name: key-auth}"))
	root := do(t, "GET", e.admin+"/", "").json(t)
	assert.Regexp(t, `^3\.\d+\.\d+$`, root["version"])
	assert.Contains(t, root["server"], "rampart, which is not Kong")
	assert.Equal(t, []any{"key-auth"}, root["plugins"].(map[string]any)["enabled_in_cluster"]) //nolint:forcetypeassert // of a test
	assert.Contains(t, do(t, "GET", e.admin+"/plugins/enabled", "").json(t)["enabled_plugins"], "usage-plan")
	assert.Equal(t, 200, do(t, "GET", e.admin+"/status/ready", "").status)
	r := do(t, "OPTIONS", e.admin+"/services/svc", "")
	assert.Equal(t, 204, r.status)
	assert.Equal(t, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT", r.header.Get("Allow"))
	assert.Empty(t, r.header.Get("Access-Control-Allow-Origin"), "no page may ask")
	r = do(t, "DELETE", e.admin+"/services", "")
	assert.Equal(t, 405, r.status)
	assert.Equal(t, "GET, HEAD, OPTIONS, POST", r.header.Get("Allow"))
	r = do(t, "HEAD", e.admin+"/services", "")
	assert.Equal(t, 200, r.status)
	assert.Empty(t, r.body)
	assert.Equal(t, 204, do(t, "OPTIONS", e.admin+"/", "").status)
	assert.Equal(t, 404, do(t, "OPTIONS", e.admin+"/none", "").status)
}

// field returns one of a schema's.
func field(t *testing.T, schema map[string]any, names ...string) map[string]any {
	t.Helper()
	for _, name := range names {
		found := false
		list, _ := schema["fields"].([]any)
		for _, one := range list {
			if f, ok := one.(map[string]any)[name].(map[string]any); ok { //nolint:forcetypeassert // of a test
				schema, found = f, true
			}
		}
		require.True(t, found, name)
	}
	return schema
}

func TestSchemasSayWhatIsTakenAndItsDefaults(t *testing.T) {
	e := start(t, empty)
	get := func(path string) map[string]any {
		r := do(t, "GET", e.admin+path, "")
		require.Equal(t, 200, r.status, path)
		return r.json(t)
	}
	services := get("/schemas/services")
	assert.Equal(t, map[string]any{"type": "integer", "default": 5.0}, field(t, services, "retries"))
	assert.Equal(t, map[string]any{"type": "string"}, field(t, services, "path"))
	assert.Equal(t, map[string]any{"type": "string", "auto": true, "uuid": true}, field(t, services, "id"))
	routes := get("/schemas/routes")
	assert.Equal(t, map[string]any{"type": "foreign", "reference": "services"}, field(t, routes, "service"))
	assert.Equal(t, "map", field(t, routes, "headers")["type"])
	assert.Equal(t, false, field(t, routes, "preserve_host")["default"])
	assert.InDelta(t, 10000, field(t, get("/schemas/upstreams"), "slots")["default"], 0, "what Kong has, but we have not")
	assert.Equal(t, "http", field(t, get("/schemas/upstreams"), "healthchecks", "passive", "type")["default"])
	limit := get("/schemas/plugins/rate-limiting")
	assert.Equal(t, map[string]any{"type": "integer"}, field(t, limit, "config", "minute"), "no limit is the default")
	assert.Equal(t, "consumer", field(t, limit, "config", "limit_by")["default"])
	assert.Equal(t, "consumer", field(t, get("/plugins/schema/rate-limiting"), "limit_by")["default"])
	for _, path := range []string{"/schemas/none", "/schemas/plugins/none", "/plugins/schema/none"} {
		assert.Equal(t, 404, do(t, "GET", e.admin+path, "").status, path)
	}
	assert.Equal(t, 404, do(t, "POST", e.admin+"/schemas/none/validate", "").status)

	// The defaults of a schema are those of an entity.
	made := e.json("POST", "/upstreams", `{"name":"u"}`).json(t)
	list, _ := get("/schemas/upstreams")["fields"].([]any)
	for _, one := range list {
		for name, f := range one.(map[string]any) { //nolint:forcetypeassert // of a test
			assert.Contains(t, made, name)
			if def, ok := f.(map[string]any)["default"]; ok { //nolint:forcetypeassert // of a test
				assert.Equal(t, def, made[name], name)
			}
		}
	}
}

func TestAnEntityIsValidatedWithoutBeingMade(t *testing.T) {
	e := start(t, one(""))
	before := e.g.Current()
	for _, c := range []struct {
		path, body string
		status     int
		field      string
	}{
		{"services", `{"name":"svc","host":"a"}`, 200, ""}, // what is taken is no mistake of its own
		{"services", `{"host":"a","port":0}`, 400, "port"},
		{"services", `{"host":"a","hots":"b"}`, 400, "hots"},
		{"routes", `{"paths":["/"],"service":{"id":"99999999-1111-4111-8111-111111111111"}}`, 200, ""},
		{"routes", `{"service":"svc"}`, 400, ""},
		{"plugins", `{"name":"rate-limiting","config":{"minute":5}}`, 200, ""},
		{"plugins", `{"name":"rate-limiting","config":{}}`, 400, "config"},
		{"plugins", `{"name":"none"}`, 400, "name"},
		{"acls", `{"group":"g","consumer":"nobody"}`, 200, ""},
	} {
		r := e.json("POST", "/schemas/"+c.path+"/validate", c.body)
		assert.Equal(t, c.status, r.status, c.body+": "+r.body)
		if c.status == 400 {
			assert.Contains(t, r.json(t)["fields"], c.field, c.body)
			assert.InDelta(t, 2, r.json(t)["code"], 0)
		}
	}
	assert.Same(t, before, e.g.Current())
}
