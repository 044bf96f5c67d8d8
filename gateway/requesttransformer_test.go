package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// transforming is a gateway whose one route has a request-transformer.
func transforming(t *testing.T, config string) *edge {
	t.Helper()
	return start(t, `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM/base
    routes:
      - name: r
        paths: ["~/users/(?<id>\\d+)/(\\w+)", /]
        strip_path: false
plugins:
  - {name: request-transformer, config: `+config+`}
`)
}

func TestRequestTransformerDoesWhatKongDocuments(t *testing.T) {
	const form, js = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json"
	for _, c := range []struct {
		name, config, target string
		method, body         string
		headers              []string
		want                 map[string]string // path, query, body, method, host, or a header's name
	}{
		{"adds a header that is not there", `{add: {headers: ["h1:v1", "h2:v2"]}}`, "/", "GET", "", []string{"H1: old"}, map[string]string{"H1": "old", "H2": "v2"}},
		{"appends to a header", `{append: {headers: ["h1:v2"]}}`, "/", "GET", "", []string{"H1: v1"}, map[string]string{"H1": "v1|v2"}},
		{"replaces a header only where it is there", `{replace: {headers: ["h1:new", "h2:new"]}}`, "/", "GET", "", []string{"H1: a", "H1: b"}, map[string]string{"H1": "new", "H2": ""}},
		{"renames a header", `{rename: {headers: ["h1:h2", "h3:h4"]}}`, "/", "GET", "", []string{"H1: v1", "H2: old"}, map[string]string{"H1": "", "H2": "v1", "H4": ""}},
		{"removes a header", `{remove: {headers: [h1, x-none]}}`, "/", "GET", "", []string{"H1: v1", "H2: v2"}, map[string]string{"H1": "", "H2": "v2"}},
		{"replaces the Host", `{replace: {headers: ["Host:shop.example:8080"]}}`, "/", "GET", "", nil, map[string]string{"host": "shop.example:8080"}},
		{"runs remove, rename, replace, add, append in that order", `{remove: {headers: [a]}, rename: {headers: ["b:a"]}, replace: {headers: ["a:three"]}, add: {headers: ["a:no", "c:four"]}, append: {headers: ["c:five"]}}`, "/", "GET", "", []string{"A: 1", "B: 2"}, map[string]string{"A": "three", "B": "", "C": "four|five"}},
		{"adds to the query", `{add: {querystring: ["q2:v1", "q1:no"]}}`, "/?q1=v1", "GET", "", nil, map[string]string{"query": "q1=v1&q2=v1"}},
		{"appends to the query", `{append: {querystring: ["q1:v2"]}}`, "/?q1=v1", "GET", "", nil, map[string]string{"query": "q1=v1&q1=v2"}},
		{"replaces in the query", `{replace: {querystring: ["q1:v2", "q3:no"]}}`, "/?q1=a&q2=b&q1=c", "GET", "", nil, map[string]string{"query": "q1=v2&q2=b"}},
		{"renames in the query", `{rename: {querystring: ["q1:q2"]}}`, "/?q1=a&q2=b", "GET", "", nil, map[string]string{"query": "q2=a"}},
		{"removes from the query", `{remove: {querystring: [q1]}}`, "/?q1=a&b=c&%711=x", "GET", "", nil, map[string]string{"query": "b=c"}},
		{"leaves a query alone that it is not told to edit", `{add: {headers: ["a:b"]}}`, "/?a=1;2&b=%zz", "GET", "", nil, map[string]string{"query": "a=1;2&b=%zz"}},
		{
			"edits a form", `{remove: {body: [p1]}, rename: {body: ["p2:p5"]}, replace: {body: ["p3:x"]}, add: {body: ["p4:y"]}, append: {body: ["p3:z"]}}`, "/", "POST",
			"p1=1&p2=2&p3=3",
			[]string{form},
			map[string]string{"body": "p5=2&p3=x&p4=y&p3=z"},
		},
		{
			"edits JSON", `{remove: {body: [a]}, rename: {body: ["b:e"]}, replace: {body: ["c:x"]}, add: {body: ["d:y"]}, append: {body: ["c:z", "f:1"]}}`, "/", "POST",
			`{"a":1,"b":12345678901234567890.5,"c":true}`,
			[]string{js},
			map[string]string{"body": `{"e":12345678901234567890.5,"c":["x","z"],"d":"y","f":"1"}`, "Content-Length": "58"},
		},
		{"appends to a list in JSON", `{append: {body: ["l:3"]}}`, "/", "POST", `{"l":[1, 2]}`, []string{js}, map[string]string{"body": `{"l":[1,2,"3"]}`}},
		{"adds to an empty JSON body", `{add: {body: ["p1:v1"]}}`, "/", "POST", "", []string{js}, map[string]string{"body": `{"p1":"v1"}`}},
		{"leaves a JSON list alone", `{remove: {body: [a]}}`, "/", "POST", `[{"a":1}]`, []string{js}, map[string]string{"body": `[{"a":1}]`}},
		{"leaves other bodies alone", `{remove: {body: [a]}}`, "/", "POST", `a=1`, []string{"Content-Type: text/plain"}, map[string]string{"body": "a=1"}},
		{
			"edits a multipart form", `{remove: {body: [a]}, rename: {body: ["b:d"]}, add: {body: ["c:3"]}}`, "/", "POST",
			"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n2\r\n--xyz--\r\n",
			[]string{"Content-Type: multipart/form-data; boundary=xyz"},
			map[string]string{"body": "--xyz\r\nContent-Disposition: form-data; name=\"d\"\r\n\r\n2\r\n--xyz\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\n3\r\n--xyz--\r\n"},
		},
		{"changes the method", `{http_method: put}`, "/", "POST", "x", nil, map[string]string{"method": "PUT", "body": "x"}},
		{"puts a form into the query of a GET", `{http_method: GET, remove: {querystring: [b]}}`, "/?a=1", "POST", "b=2&c=3", []string{form}, map[string]string{"method": "GET", "query": "a=1&c=3"}},
		{"replaces the path by numbered captures", `{replace: {uri: "/anything/$(uri_captures[1])/$(uri_captures[2])"}}`, "/users/123/cart", "GET", "", nil, map[string]string{"path": "/anything/123/cart"}},
		{"replaces the path by named captures", `{replace: {uri: "/status/$(uri_captures[\"id\"])"}}`, "/users/7/x?a=b", "GET", "", nil, map[string]string{"path": "/status/7", "query": "a=b"}},
		{"replaces the path by a parameter", `{replace: {uri: "/find/$(query_params.name)/all"}}`, "/?name=a%2Fb%3Fc+d", "GET", "", nil, map[string]string{"path": "/find/a%2Fb%3Fc%20d/all"}},
		{
			"fills templates from headers and the query", `{add: {headers: ["x-a:$(headers.x-b)-$(query_params[\"q\"])", "x-c:$(headers['x_b'] or \"none\")", "x-d:$(headers.nothing or 'none')"]}}`,
			"/?q=1", "GET", "",
			[]string{"X-B: b"},
			map[string]string{"X-A": "b-1", "X-C": "b", "X-D": "none"},
		},
		{
			"sees the request as it was in templates", `{remove: {headers: [x-b], querystring: [q]}, add: {headers: ["x-a:$(headers.x-b)"], body: ["p:$(query_params.q)"]}}`,
			"/?q=1", "POST", "{}",
			[]string{"X-B: b", js},
			map[string]string{"X-A": "b", "X-B": "", "query": "", "body": `{"p":"1"}`},
		},
		{"knows a way to write a dollar", `{add: {headers: ["x-a:$('$(no)')"]}}`, "/", "GET", "", nil, map[string]string{"X-A": "$(no)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := transforming(t, c.config)
			r := do(t, c.method, e.url+c.target, c.body, c.headers...)
			require.Equal(t, 200, r.status, r.body)
			got := r.json(t)
			for name, want := range c.want {
				if text, ok := got[name]; ok {
					assert.Equal(t, want, text, name)
				} else {
					assert.Equal(t, want, r.sent(t, name), name)
				}
			}
		})
	}
}

func TestRequestTransformerRefusesWhatItWouldNotHeed(t *testing.T) {
	e := start(t, one(""))
	for config, want := range map[string]string{
		`add.headers=x`:                                    "config.add.headers[0]",
		`add.headers=X-Consumer-Username:root`:             "the gateway alone says who calls",
		`rename.headers=X-A:X-Consumer-ID`:                 "the gateway alone says who calls",
		`rename.headers=X-Forwarded-For:X-A`:               "the gateway alone writes that header",
		`rename.headers=X-A:$(headers.x)`:                  "a new name is no template",
		`replace.headers=X-Forwarded-Proto:https`:          "the gateway alone writes that header",
		`add.headers=x_user:1`:                             "drops names with _",
		`add.headers=Host:x`:                               "use replace",
		`remove.headers=Host`:                              "use replace",
		`remove.headers=X-Real-IP`:                         "where a request comes from",
		`add.headers=Transfer-Encoding:chunked`:            "belongs to a connection",
		`remove.headers=Content-Length`:                    "belongs to a connection",
		`add.headers=a b:c`:                                "a header's name is wanted",
		"add.headers=a:b\nc":                               "printable ASCII",
		`add.querystring=a`:                                "name:value is wanted",
		`add.body=a:`:                                      "name:value is wanted",
		`add.headers=a:$(os.execute("id"))`:                "no Lua runs",
		`add.headers=a:$(headers.x .. "y")`:                "no Lua runs",
		`add.headers=a:$(headers.x or)`:                    "no Lua runs",
		`add.headers=a:$(headers.x or )`:                   `nothing follows "or"`,
		`add.headers=a:$()`:                                "no Lua runs",
		`add.headers=a:$(headers.x`:                        "is not closed",
		`add.headers=a:$(shared.x)`:                        "plugins share no variables",
		`add.headers=a:$(headers.x-forwarded-for)`:         "what any client writes",
		`add.body=a:` + strings.Repeat("$(headers.x)", 33): "32 values at most",
		`replace.uri=x`:                                    "begins with /",
		`replace.uri=/x?y=1`:                               "without a query",
		`replace.uri=$(headers.x`:                          "is not closed",
		`http_method=TRACE`:                                "config.http_method",
		`http_method=HEAD`:                                 "config.http_method",
		`http_method=G T`:                                  "config.http_method",
		`remove.uri=/x`:                                    "unknown field",
	} {
		name, value, _ := strings.Cut(config, "=")
		r := e.form("POST", "/plugins", "name", "request-transformer", "config."+name, value)
		assert.Equal(t, 400, r.status, config)
		assert.Contains(t, strings.ReplaceAll(r.body, `\"`, `"`), want, config)
	}
}

func TestNoTemplateLetsAClientForgeOrEscape(t *testing.T) {
	e := transforming(t, `{replace: {uri: "/tenants/$(headers.x-tenant)/data"}, add: {headers: ["x-q:$(query_params.q)"]}}`)
	for _, c := range []struct {
		query, tenant string
		status        int
		path          string
	}{
		{"", "acme", 200, "/tenants/acme/data"},
		{"", "a/../../admin", 400, ""},
		{"", "..", 400, ""},
		{"", ".", 400, ""},
		{"", "a?b=c#d", 200, "/tenants/a%3Fb=c%23d/data"},
		{"", "a/b", 200, "/tenants/a%2Fb/data"},
		{"", "%2e%2e", 200, "/tenants/%252e%252e/data"},
		{"", `..\..`, 400, ""},
		{"", "..;x", 400, ""},
		{"", strings.Repeat("a", 9000), 400, ""},
		{"q=a%0d%0aX-Consumer-Username:root", "acme", 400, ""},
		{"q=a%00b", "acme", 400, ""},
	} {
		r := e.get("/?"+c.query, "X-Tenant: "+c.tenant)
		assert.Equal(t, c.status, r.status, "%.30s %s", c.tenant, r.body)
		if c.path != "" {
			assert.Equal(t, c.path, r.json(t)["path"])
		}
	}
	e = transforming(t, `{replace: {headers: ["host:$(headers.x-tenant)"]}}`)
	for host, status := range map[string]int{"a.example": 200, "a.example/x": 400, "a b": 400, "a@b": 400, "a:99999": 400, "": 400} {
		assert.Equal(t, status, e.get("/", "X-Tenant: "+host).status, host)
	}
}

func TestRequestTransformerReadsTheCallerFromTheGatewayAlone(t *testing.T) {
	e := start(t, one(`
  - {name: key-auth, config: {hide_credentials: true, anonymous: nobody}}
  - {name: correlation-id, config: {header_name: X-Trace}}
  - name: request-transformer
    config:
      remove: {headers: [x-user, x-consumer-id, x-trace]}
      rename: {headers: ["x-consumer-custom-id:x-number"]}
      add: {headers: ["x-user:$(headers['x-consumer-username'])", "apikey:the upstream's", "x-secret:$(headers.apikey)"]}
`)+people)
	r := e.get("/api?apikey=alice-key-0123456789&a=1", "X-User: root", "X-Consumer-Username: root", "X-Consumer-Evil: x", "X-Number: 0")
	require.Equal(t, 200, r.status, r.body)
	for name, want := range map[string]string{
		"X-User": "alice", "X-Number": "7", "X-Consumer-Username": "alice", "X-Consumer-Id": "", "X-Consumer-Custom-Id": "",
		"X-Consumer-Evil": "", "X-Trace": "", "Apikey": "the upstream's",
	} {
		assert.Equal(t, want, r.sent(t, name), name)
	}
	assert.Equal(t, "a=1", r.json(t)["query"])
	assert.Equal(t, "nobody", e.get("/api", "X-User: root").sent(t, "X-User"))
	assert.Empty(t, e.get("/api", "X-Consumer-Custom-Id: 666").sent(t, "X-Number"), "nobody has none, whatever a client says")
	assert.Empty(t, e.get("/api", "apikey: alice-key-0123456789").sent(t, "X-Secret"), "a hidden credential is hidden from templates")
}

func TestBodiesThatCannotBeEditedAreRefused(t *testing.T) {
	e := transforming(t, `{remove: {body: [admin]}}`)
	const form, js, parts = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json", "Content-Type: multipart/form-data; boundary=b"
	part := func(disposition string) string {
		return "--b\r\nContent-Disposition: " + disposition + "\r\n\r\n1\r\n--b--\r\n"
	}
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
	}{
		{"no JSON", `{"admin":1`, []string{js}, 400},
		{"JSON and more", `{"a":1}{"admin":1}`, []string{js}, 400},
		{"a mark before JSON", "\ufeff{}", []string{js}, 400},
		{"compressed", "x", []string{js, "Content-Encoding: gzip"}, 415},
		{"two types", `{"x":"&admin=1&"}`, []string{form, js}, 400},
		{"two types in one", `{"x":"&admin=1&"}`, []string{form + "; x=application/json"}, 400},
		{"too large", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, []string{js}, 413},
		{"a part without a name", part("form-data"), []string{parts}, 400},
		{"a part with two names", part(`form-data; name="a"; name="admin"`), []string{parts}, 400},
		{"a part with a second spelling", part(`form-data; name=a; name*=utf-8''admin`), []string{parts}, 400},
		{"a part of no end", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1", []string{parts}, 400},
		{"no boundary", "x", []string{"Content-Type: multipart/form-data"}, 400},
	} {
		r := do(t, "POST", e.url+"/", c.body, c.headers...)
		assert.Equal(t, c.status, r.status, "%s: %.200s", c.name, r.body)
	}
	for name, body := range map[string]string{
		"twice": `{"admin":1,"a":2,"admin":3}`, "escaped": `{"\u0061dmin":1,"a":2}`,
	} {
		assert.Equal(t, `{"a":2}`, do(t, "POST", e.url+"/", body, js).json(t)["body"], name)
	}
	assert.Equal(t, "a=1%3Badmin%3D2", do(t, "POST", e.url+"/", "a=1;admin=2&adm%69n=3", form).json(t)["body"])
	r := do(t, "PUT", e.url+"/", `{"admin":1}`, "Content-Type: application/vnd.api+json")
	assert.Equal(t, "{}", r.json(t)["body"])
	chunked, err := http.NewRequest("POST", e.url+"/", struct{ *strings.Reader }{strings.NewReader(`{"admin":1,"b":2}`)})
	require.NoError(t, err)
	chunked.Header.Set("Content-Type", "application/json")
	chunked.ContentLength = -1
	resp, err := direct.RoundTrip(chunked)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
}
