package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counted is a gateway with proxy-cache before an upstream that counts. A query
// of the request says how it answers: status, body, and headers as they are named.
func counted(t *testing.T, config, more string) (*edge, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		status := 200
		w.Header().Set("Content-Type", "application/json")
		for name, values := range r.URL.Query() {
			switch name {
			case "status":
				_, _ = fmt.Sscan(values[0], &status)
			case "big", "q", "a", "b":
			default:
				w.Header()[name] = values
			}
		}
		w.WriteHeader(status)
		body := fmt.Sprintf(`{"n":%d}`, n.Add(1))
		if r.URL.Query().Has("big") {
			body += strings.Repeat(" ", 1<<20)
		}
		_, _ = io.WriteString(w, body)
	}, "  - {name: proxy-cache, config: {strategy: memory, "+config+"}}\n"+more)
	return e, &n
}

func TestProxyCacheDoesWhatKongDocuments(t *testing.T) {
	e, n := counted(t, "", "")
	first := e.get("/api?q=1")
	require.Equal(t, 200, first.status, first.body)
	assert.Equal(t, "Miss", first.header.Get("X-Cache-Status"))
	key := first.header.Get("X-Cache-Key")
	assert.Len(t, key, 64)
	again := e.get("/api?q=1")
	assert.Equal(t, "Hit", again.header.Get("X-Cache-Status"))
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, "0", again.header.Get("Age"))
	assert.Equal(t, []string{"application/json"}, again.header["Content-Type"])
	assert.Equal(t, int64(1), n.Load())
	assert.Equal(t, "Miss", e.get("/api?q=2").header.Get("X-Cache-Status"))

	found := do(t, "GET", e.admin+"/proxy-cache/"+key, "")
	require.Equal(t, 200, found.status)
	assert.NotContains(t, found.body, `\"n\"`, "the body is a client's")
	plugin, _ := found.json(t)["plugin"].(map[string]any)
	require.Equal(t, 204, do(t, "DELETE", fmt.Sprintf("%s/proxy-cache/%s/caches/%s", e.admin, plugin["id"], key), "").status)
	assert.Equal(t, 404, do(t, "DELETE", e.admin+"/proxy-cache/"+key, "").status)
	assert.Equal(t, "Miss", e.get("/api?q=1").header.Get("X-Cache-Status"))
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/proxy-cache/"+key, "").status)
	assert.Equal(t, "Hit", e.get("/api?q=2").header.Get("X-Cache-Status"))
	require.Equal(t, 201, e.form("POST", "/consumers", "username", "new").status)
	assert.Equal(t, "Hit", e.get("/api?q=2").header.Get("X-Cache-Status"), "another change does not empty it")
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/proxy-cache", "").status)
	assert.Equal(t, "Miss", e.get("/api?q=2").header.Get("X-Cache-Status"))
	assert.Equal(t, 405, do(t, "POST", e.admin+"/proxy-cache/"+e.get("/api?q=2").header.Get("X-Cache-Key"), "").status)
}

func TestWhatIsNeverCached(t *testing.T) {
	e, _ := counted(t, "", "")
	for name, c := range map[string]struct {
		query   string
		headers []string
	}{
		"another status":                         {"status=201", nil},
		"an error":                               {"status=500", nil},
		"another type":                           {"Content-Type=text/html", nil},
		"the type with a charset":                {"Content-Type=application/json;charset=utf-8", nil},
		"a cookie for somebody":                  {"Set-Cookie=a%3Db", nil},
		"private":                                {"Cache-Control=private", nil},
		"private in a second line":               {"Cache-Control=public&Cache-Control=private", nil},
		"private for a field":                    {`Cache-Control=private%3D"x", max-age=60`, nil},
		"no-store, in capitals":                  {"Cache-Control=max-age%3D60, NO-STORE", nil},
		"no-cache":                               {"Cache-Control=no-cache", nil},
		"no-cache of HTTP/1.0":                   {"Pragma=no-cache", nil},
		"what is malformed":                      {`Cache-Control=max-age%3D"60`, nil},
		"what is stale at once":                  {"Cache-Control=max-age%3D0", nil},
		"a time that is none":                    {"Cache-Control=max-age%3D-1", nil},
		"two times":                              {"Cache-Control=max-age%3D60,max-age%3D70", nil},
		"an Expires of 0":                        {"Expires=0", nil},
		"what has aged elsewhere":                {"Cache-Control=max-age%3D60&Age=60", nil},
		"what varies by all":                     {"Vary=*", nil},
		"what varies by what the gateway writes": {"Vary=x-forwarded-for", nil},
		"an encoding without Vary":               {"Content-Encoding=br", nil},
		"what is too large":                      {"big=1", nil},
		"a request with a password":              {"q=1", []string{"Authorization: Basic eDp5"}},
		"a request with a cookie":                {"q=2", []string{"Cookie: a=b"}},
		"a request for a part":                   {"q=3", []string{"Range: bytes=0-1"}},
	} {
		target := "/api?" + strings.NewReplacer(" ", "%20", `"`, "%22", ";", "%3B").Replace(c.query)
		one, two := e.get(target, c.headers...), e.get(target, c.headers...)
		assert.NotEqual(t, one.body, two.body, name)
		if name != "what is too large" {
			assert.Equal(t, "Bypass", one.header.Get("X-Cache-Status"), name)
		}
	}
	assert.NotEqual(t, do(t, "POST", e.url+"/api?q=4", "").body, e.get("/api?q=4").body)
}

func TestACacheKeepsCallersHostsAndVariantsApart(t *testing.T) {
	e, _ := counted(t, "vary_headers: [X-Lang, Cookie], vary_query_params: [a]", "  - {name: key-auth}\n"+people)
	alice, bob := "apikey: alice-key-0123456789", "apikey: bob-key-0123456789abc"
	same := func(path string, headers ...string) string { return e.get(path, headers...).header.Get("X-Cache-Key") }
	at := same("/api?a=1&b=1", alice)
	assert.Equal(t, at, same("/api?b=2&a=1", alice), "b does not count")
	for _, other := range []string{
		same("/api?a=1", bob), same("/api?a=2", alice), same("/api?a=1&a=1", alice), same("/api/?a=1", alice), same("/API?a=1", alice),
		same("/api?a=1", alice, "X-Lang: de"), same("/api?a=1", alice, "Cookie: a=b"), same("/api?a=1", alice, "Host: other.example"),
		do(t, "HEAD", e.url+"/api?a=1", "", alice).header.Get("X-Cache-Key"),
	} {
		assert.NotEqual(t, at, other)
	}
	assert.Equal(t, 401, e.get("/api?a=1").status, "a cache is no way around a key")

	e, _ = counted(t, "", "")
	en, de := "Accept-Language: en", "Accept-Language: de"
	one := e.get("/api?Vary=accept-language", en).body
	assert.NotEqual(t, one, e.get("/api?Vary=accept-language", de).body)
	assert.Equal(t, one, e.get("/api?Vary=accept-language", en).body)
	assert.Equal(t, "Hit", e.get("/api?Vary=accept-language", de).header.Get("X-Cache-Status"))
	for i := range 40 {
		e.get("/api?Vary=accept-language", fmt.Sprintf("Accept-Language: x%d", i))
	}
	assert.Equal(t, "Miss", e.get("/api?Vary=accept-language", en).header.Get("X-Cache-Status"), "an address has only so many variants")
}

func TestACacheHeedsCacheControlWhereAsked(t *testing.T) {
	e, _ := counted(t, "cache_control: true", "")
	status := func(path string, headers ...string) string {
		return e.get(path, headers...).header.Get("X-Cache-Status")
	}
	assert.Equal(t, "Bypass", status("/api?q=1"), "it does not say that it is fresh")
	fresh := "/api?Cache-Control=max-age%3D60"
	assert.Equal(t, "Miss", status(fresh))
	assert.Equal(t, "Hit", status(fresh))
	assert.Equal(t, "Bypass", status(fresh, "Cache-Control: no-cache"))
	assert.Equal(t, "Bypass", status(fresh, "Cache-Control: no-store"))
	assert.Equal(t, "Bypass", status(fresh, "Pragma: no-cache"))
	assert.Equal(t, "Hit", status(fresh, "Cache-Control: max-age=30"))
	assert.Equal(t, "Refresh", status(fresh, "Cache-Control: min-fresh=90"))
	assert.Equal(t, "Hit", status(fresh, "Cache-Control: min-fresh=30"))
	assert.Equal(t, 504, e.get("/api?Cache-Control=max-age%3D61", "Cache-Control: only-if-cached").status)
	assert.Equal(t, "Hit", status(fresh, "Cache-Control: only-if-cached"))
	expires := "/api?Expires=Fri,%2001%20Jan%202100%2000:00:00%20GMT"
	assert.Equal(t, "Miss", status(expires))
	assert.Equal(t, "Hit", status(expires))
}

func TestAConditionalRequestIsAnsweredFromTheCache(t *testing.T) {
	e, _ := counted(t, "", "")
	path := `/api?Etag=%22v1%22&Last-Modified=Mon,%2001%20Jan%202024%2000:00:00%20GMT`
	e.get(path)
	for header, status := range map[string]int{
		`If-None-Match: "v1"`: 304, `If-None-Match: W/"v1"`: 304, `If-None-Match: "v0", "v1"`: 304, "If-None-Match: *": 304, `If-None-Match: "v2"`: 200,
		"If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT": 304, "If-Modified-Since: Sun, 31 Dec 2023 00:00:00 GMT": 200, "If-Modified-Since: x": 200,
	} {
		r := e.get(path, header)
		assert.Equal(t, status, r.status, header)
		assert.Equal(t, "Hit", r.header.Get("X-Cache-Status"), header)
	}
}

func TestAChangeInvalidates(t *testing.T) {
	e, _ := counted(t, "", "")
	e.get("/api/x?q=1")
	require.Equal(t, "Hit", e.get("/api/x?q=1").header.Get("X-Cache-Status"))
	do(t, "DELETE", e.url+"/api/x?status=500", "")
	assert.Equal(t, "Hit", e.get("/api/x?q=1").header.Get("X-Cache-Status"), "it has failed")
	do(t, "PUT", e.url+"/api/x", "body")
	assert.Equal(t, "Miss", e.get("/api/x?q=1").header.Get("X-Cache-Status"))
}

func TestAnAnswerThatIsNotWholeIsNotCached(t *testing.T) {
	var n atomic.Int64
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "second")
	}, "  - {name: proxy-cache, config: {strategy: memory}}\n")
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, e.url+"/api", nil)
	require.NoError(t, err)
	resp, err := direct.RoundTrip(r)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	require.Error(t, err)
	assert.Equal(t, "partsecond", e.get("/api").body)
	assert.Equal(t, "Hit", e.get("/api").header.Get("X-Cache-Status"))
}

func TestACacheAddsNothingThatLayersOutsideHaveSet(t *testing.T) {
	e, _ := counted(t, "response_headers: {X-Cache-Key: false, X-Cache-Status: false, age: false}", everyWriter)
	first, again := e.get("/api"), e.get("/api")
	for _, name := range []string{"X-Added", "X-Content-Type-Options", "X-Ratelimit-Limit-Minute", "Content-Type"} {
		assert.Len(t, again.header[name], len(first.header[name]), name)
	}
	for _, name := range []string{"X-Cache-Key", "X-Cache-Status", "Age"} {
		assert.Empty(t, again.header[name])
	}
	assert.Equal(t, first.body, again.body)
}

func TestProxyCacheRefusesWhatItWouldNotHeed(t *testing.T) {
	e := start(t, one(""))
	for config, want := range map[string]string{
		"strategy=redis": "memory is wanted", "x=1": "unknown field", "request_method=POST": "depends on a body", "response_code=206": "a whole answer",
		"cache_ttl=0": "config.cache_ttl", "content_type=a": "", "vary_headers=a b": "a header's name", "content_type=a b": "a media type",
	} {
		name, value, _ := strings.Cut(config, "=")
		r := e.form("POST", "/plugins", "name", "proxy-cache", "config."+name, value)
		assert.Equal(t, 400, r.status, config)
		assert.Contains(t, r.body, want)
	}
	assert.Equal(t, 201, e.form("POST", "/plugins", "name", "proxy-cache", "config.strategy", "memory", "config.memory.dictionary_name", "x").status)
}
