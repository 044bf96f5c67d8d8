package gateway_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway"
)

// multi sends a form of parts.
func (e *edge) multi(method, path string, pairs ...string) reply {
	e.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(pairs); i += 2 {
		add := w.CreateFormField
		if i%4 == 2 {
			add = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "file.txt") }
		}
		part, err := add(pairs[i])
		require.NoError(e.t, err)
		_, err = part.Write([]byte(pairs[i+1]))
		require.NoError(e.t, err)
	}
	require.NoError(e.t, w.Close())
	return do(e.t, method, e.admin+path, body.String(), "Content-Type: "+w.FormDataContentType())
}

func TestNullUnsetsAField(t *testing.T) {
	e := start(t, empty)
	e.made("/services", `{"name":"s","url":"http://a/base","retries":1,"tags":["x"]}`)
	e.made("/services/s/routes", `{"name":"r","paths":["/"],"strip_path":false,"headers":{"x-a":["1"]},"regex_priority":3}`)
	e.made("/plugins", `{"name":"rate-limiting","instance_name":"l","config":{"second":5,"minute":10,"limit_by":"ip"}}`)
	e.made("/upstreams", `{"name":"u","healthchecks":{"passive":{"unhealthy":{"tcp_failures":3,"timeouts":4}}}}`)

	got := e.json("PATCH", "/services/s", `{"path":null,"retries":null,"tags":null,"enabled":false}`).json(t)
	assert.Nil(t, got["path"])
	assert.Nil(t, got["tags"])
	assert.InDelta(t, 5, got["retries"], 0, "the default")
	assert.Equal(t, "a", got["host"], "the rest stays")
	assert.Equal(t, false, got["enabled"])
	got = e.json("PATCH", "/services/s", `{"retries":2}`).json(t)
	assert.Equal(t, false, got["enabled"], "what differs from the default stays")

	got = e.json("PATCH", "/routes/r", `{"regex_priority":null}`).json(t)
	assert.InDelta(t, 0, got["regex_priority"], 0)
	assert.Equal(t, false, got["strip_path"])
	assert.Equal(t, map[string]any{"x-a": []any{"1"}}, got["headers"])
	got = e.json("PATCH", "/routes/r", `{"headers":{"x-b":["2"]}}`).json(t)
	assert.Equal(t, map[string]any{"x-b": []any{"2"}}, got["headers"], "a table of one's own names is replaced")

	got, _ = e.json("PATCH", "/plugins/l", `{"config":{"second":null}}`).json(t)["config"].(map[string]any)
	assert.Nil(t, got["second"])
	assert.Nil(t, got["hour"])
	assert.InDelta(t, 10, got["minute"], 0)
	assert.Equal(t, "ip", got["limit_by"])
	got, _ = e.form("PATCH", "/plugins/l", "config.minute", "", "config.hour", "7").json(t)["config"].(map[string]any)
	assert.Nil(t, got["minute"], "empty in a form")
	assert.InDelta(t, 7, got["hour"], 0)
	assert.Equal(t, 400, e.json("PATCH", "/plugins/l", `{"config":{"hour":null}}`).status, "none is left")
	assert.Equal(t, 400, e.json("PATCH", "/plugins/l", `{"config":{"hours":null}}`).status, "an unknown one is not ignored")

	got, _ = e.json("PATCH", "/upstreams/u", `{"healthchecks":{"passive":{"unhealthy":{"timeouts":null}}}}`).json(t)["healthchecks"].(map[string]any)
	got, _ = got["passive"].(map[string]any)
	got, _ = got["unhealthy"].(map[string]any)
	assert.InDelta(t, 3, got["tcp_failures"], 0)
	assert.InDelta(t, 0, got["timeouts"], 0)
}

func TestReferencesAreIDsNamesOrWholeEntities(t *testing.T) {
	e := start(t, empty)
	id := e.made("/services", `{"name":"s","host":"a"}`)
	whole := do(t, "GET", e.admin+"/services/s", "").body
	for i, ref := range []string{`{"id":"` + id + `"}`, `{"name":"s"}`, `{"id":"` + id + `","name":"s"}`, `{"id":null,"name":"s"}`, whole, `"s"`, `"` + id + `"`} {
		r := e.json("POST", "/routes", `{"paths":["/`+string(rune('a'+i))+`"],"service":`+ref+`}`)
		require.Equal(t, 201, r.status, ref+": "+r.body)
		assert.Equal(t, map[string]any{"id": id}, r.json(t)["service"], ref)
	}
	require.Equal(t, 201, e.form("POST", "/routes", "paths", "/form", "service.name", "s").status)
	require.Equal(t, 201, e.form("POST", "/routes", "paths", "/form2", "service.id", id).status)
	for _, ref := range []string{`{"id":"99999999-1111-4111-8111-111111111111"}`, `{"name":"none"}`} {
		r := e.json("POST", "/routes", `{"paths":["/x"],"service":`+ref+`}`)
		assert.Equal(t, 400, r.status)
		assert.InDelta(t, 4, r.json(t)["code"], 0, "a foreign key")
		assert.Contains(t, r.json(t)["fields"], "service")
	}
	r := e.json("POST", "/routes", `{"paths":["/x"],"service":{"host":"a"}}`)
	assert.Equal(t, 400, r.status)
	assert.InDelta(t, 2, r.json(t)["code"], 0)
	assert.Equal(t, 200, e.json("PATCH", "/routes/"+e.made("/routes", `{"paths":["/y"],"service":"s"}`)+"/service", `{"retries":1}`).status)
	assert.InDelta(t, 1, do(t, "GET", e.admin+"/services/s", "").json(t)["retries"], 0)
}

func TestKeysAndSecretsAreMadeWhereNoneIsGiven(t *testing.T) {
	e := start(t, one("  - {name: key-auth}"))
	e.made("/consumers", `{"username":"bob"}`)
	first := e.json("POST", "/consumers/bob/key-auth", `{}`).json(t)
	second := e.form("POST", "/consumers/bob/key-auth").json(t)
	key, _ := first["key"].(string)
	assert.GreaterOrEqual(t, len(key), 22)
	assert.NotEqual(t, first["key"], second["key"])
	assert.Equal(t, 200, e.get("/api", "apikey: "+key).status)
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		token := e.json("POST", "/consumers/bob/jwt", `{"algorithm":"`+alg+`"}`)
		require.Equal(t, 201, token.status, token.body)
		assert.GreaterOrEqual(t, len(token.json(t)["secret"].(string)), 64) //nolint:forcetypeassert // of a test
		assert.NotEmpty(t, token.json(t)["key"])
	}
	assert.Equal(t, 400, e.json("POST", "/consumers/bob/jwt", `{"algorithm":"RS256"}`).status, "no key is made for these")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	require.NoError(t, err)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	r := e.json("POST", "/consumers/bob/jwt", text(t, map[string]any{"algorithm": "ES256", "rsa_public_key": public}))
	require.Equal(t, 201, r.status, r.body)
	assert.Nil(t, r.json(t)["secret"])
}

func TestFormsMayHaveParts(t *testing.T) {
	e := start(t, empty)
	r := e.multi("POST", "/services", "name", "s", "url", "http://a/base", "tags[]", "x", "tags[]", "y")
	require.Equal(t, 201, r.status, r.body)
	assert.Equal(t, []any{"x", "y"}, r.json(t)["tags"])
	cert, key := pair(t, "a.example")
	r = e.multi("POST", "/certificates", "cert", cert, "key", key, "snis", "a.example")
	require.Equal(t, 201, r.status, r.body)
	assert.Equal(t, []any{"a.example"}, r.json(t)["snis"])
	r = e.multi("PATCH", "/services/s", "retries", "7")
	assert.InDelta(t, 7, r.json(t)["retries"], 0)

	before := e.g.Current()
	head := "Content-Type: multipart/form-data; boundary=b"
	for name, c := range map[string]struct {
		body   string
		head   string
		status int
	}{
		"no boundary":             {"--b--\r\n", "Content-Type: multipart/form-data", 415},
		"it ends too early":       {"--b\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\na", head, 400},
		"a part without a name":   {"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--\r\n", head, 400},
		"no form at all":          {"host=a", head, 400},
		"very many parts":         {strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\na\r\n", 1100) + "--b--\r\n", head, 400},
		"very many fields":        {strings.Repeat("tags=a&", 1100) + "host=a", "Content-Type: application/x-www-form-urlencoded", 400},
		"a name of many dots":     {strings.Repeat("a.", 100) + "b=1", "Content-Type: application/x-www-form-urlencoded", 400},
		"an escape that is none":  {"host=%zz", "Content-Type: application/x-www-form-urlencoded", 400},
		"a large body":            {"host=" + strings.Repeat("a", 2<<20), "Content-Type: application/x-www-form-urlencoded", 413},
		"a large body of parts":   {"--b\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\n" + strings.Repeat("a", 2<<20) + "\r\n--b--\r\n", head, 413},
		"JSON that is a form":     {"host=a", "Content-Type: application/json", 400},
		"a form that is JSON":     {`{"host":"a"}`, "Content-Type: application/x-www-form-urlencoded", 400},
		"a name twice":            {`{"host":"a","host":"b"}`, "Content-Type: application/json", 400},
		"JSON that is very deep":  {`{"host":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "Content-Type: application/json", 400},
		"JSON that is only begun": {strings.Repeat("[", 1000), "Content-Type: application/json", 400},
		"a list":                  {`[{"host":"a"}]`, "Content-Type: application/json", 400},
		"no type":                 {`{"host":"a"}`, "X-None: 1", 415},
	} {
		r := do(t, "POST", e.admin+"/services", c.body, c.head)
		assert.Equal(t, c.status, r.status, name+": "+r.body)
		assert.Less(t, len(r.body), 2000, name)
	}
	r = do(t, "POST", e.admin+"/services", `{"host":"a"}`, "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded")
	assert.Equal(t, 415, r.status, "two types")
	assert.Same(t, before, e.g.Current())
}

func TestAWholeConfigurationComesInSeveralWays(t *testing.T) {
	const doc = "_format_version: \"3.0\"\nservices:\n- {name: NAME, host: a}\n"
	e := start(t, empty)
	in := func(name string) string { return strings.ReplaceAll(doc, "NAME", name) }
	for name, post := range map[string]func(doc string) reply{
		"a field of a form": func(d string) reply { return e.form("POST", "/config", "config", d) },
		"a file of a form":  func(d string) reply { return e.multi("POST", "/config", "config", d) },
		"JSON with a member": func(d string) reply {
			return e.json("POST", "/config", text(t, map[string]any{"config": d}))
		},
		"YAML": func(d string) reply { return do(t, "POST", e.admin+"/config", d, "Content-Type: application/yaml") },
		"what curl says of a file": func(d string) reply {
			return do(t, "POST", e.admin+"/config", d, "Content-Type: application/x-www-form-urlencoded")
		},
		"without a type": func(d string) reply { return do(t, "POST", e.admin+"/config", d) },
		"JSON": func(string) reply {
			return e.json("POST", "/config", `{"_format_version":"3.0","services":[{"name":"JSON","host":"a"}]}`)
		},
	} {
		short := strings.ReplaceAll(name, " ", "-")
		r := post(in(short))
		require.Equal(t, 201, r.status, name+": "+r.body)
		assert.Equal(t, []string{short}, e.names("/services"), name)
	}
	before := e.g.Current()
	assert.Equal(t, 400, e.form("POST", "/config", "config", in("a"), "x", "1").status)
	assert.Equal(t, 400, e.multi("POST", "/config", "confg", in("a")).status)
	assert.Equal(t, 400, e.form("POST", "/config", "config", "services: 1").status)
	assert.Same(t, before, e.g.Current())
	require.Equal(t, 201, e.form("POST", "/config?check_hash=1", "config", in("same")).status)
	before = e.g.Current()
	assert.Equal(t, 304, e.form("POST", "/config?check_hash=1", "config", in("same")).status)
	assert.Same(t, before, e.g.Current())
}

func TestNoSecretIsInAnError(t *testing.T) {
	const secret = "a-secret-that-nobody-should-see"
	e := start(t, empty)
	e.made("/consumers", `{"username":"bob"}`)
	e.made("/consumers/bob/key-auth", `{"key":"`+secret+`"}`)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/consumers/bob/key-auth", `{"key":"` + secret + `"}`},
		{"POST", "/consumers/bob/key-auth", `{"key":"` + secret + ` "}`},
		{"POST", "/consumers/bob/key-auth", `{"key":["` + secret + `"]}`},
		{"PUT", "/consumers/bob/key-auth/" + secret, `{"key":"another-key-of-bobs-1"}`},
		{"POST", "/consumers/bob/jwt", `{"secret":{"x":"` + secret + `"}}`},
		{"POST", "/consumers/bob/jwt", `{"algorithm":"RS256","rsa_public_key":"` + secret + `"}`},
		{"POST", "/certificates", `{"cert":"` + secret + `","key":"` + secret + `"}`},
		{"POST", "/schemas/keyauth_credentials/validate", `{"key":"` + secret + ` ","consumer":"bob"}`},
		{"GET", "/key-auths/" + secret + "x", ``},
		{"GET", "/key-auths?offset=" + url.QueryEscape(secret+"!"), ``},
	} {
		r := do(t, c.method, e.admin+c.path, c.body, "Content-Type: application/json")
		assert.GreaterOrEqual(t, r.status, 400, c.body)
		assert.NotContains(t, r.body, secret, c.path)
	}
	assert.NotContains(t, e.log.String(), secret)
}

func TestEveryEndpointIsProtected(t *testing.T) {
	e := start(t, empty, func(c *gateway.Config) { c.AdminToken = "a-long-admin-token" })
	list := do(t, "GET", e.admin+"/endpoints", "", "Kong-Admin-Token: a-long-admin-token").json(t)
	data, _ := list["data"].([]any)
	require.Greater(t, len(data), 50)
	for _, path := range data {
		at := e.admin + strings.NewReplacer("{", "", "}", "").Replace(path.(string)) //nolint:forcetypeassert // of a test
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"} {
			assert.Equal(t, 401, do(t, method, at, "").status, method+" "+at)
			assert.Equal(t, 403, do(t, method, at, "", "Origin: https://evil.example", "Kong-Admin-Token: a-long-admin-token").status, method+" "+at)
		}
	}
}
