package apikey_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/server"
)

func asAlice(*http.Request) (apikey.Actor, bool) {
	return apikey.Actor{Owner: "alice", Scopes: []string{"products:write", "customers:read", "keys:manage"}}, true
}

func asRoot(*http.Request) (apikey.Actor, bool) {
	return apikey.Actor{Scopes: []string{"products:write"}, All: true}, true
}

// mounted is the admin handler where a server mounts it.
func mounted(f fixture, actor func(*http.Request) (apikey.Actor, bool)) http.Handler {
	mux := server.NewMux()
	mux.Handle("/api/keys/", http.StripPrefix("/api/keys", f.Admin(actor)))
	return mux
}

// call sends a request with a JSON body, if any.
func call(t *testing.T, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return serve(h, r)
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), "%s", w.Body)
	return v
}

func TestAKeyLivesThroughTheAdminHandler(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asAlice)
	expires := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	w := call(t, h, "POST", "/api/keys/", `{"name":"shop","scopes":["products:write"],"expires":"`+expires.Format(time.RFC3339)+`"}`)
	require.Equal(t, 201, w.Code, "%s", w.Body)
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	made := decode[map[string]any](t, w)
	id, text := made["id"].(string), made["key"].(string)
	assert.Equal(t, "shop", made["name"])
	assert.Equal(t, "alice", made["owner"])
	assert.Equal(t, []any{"products:write"}, made["scopes"])
	assert.Equal(t, expires.Format(time.RFC3339), made["expires"])
	assert.Nil(t, made["revoked"])
	assert.Contains(t, made, "last_used")
	caller, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.Equal(t, id, caller.ID())

	w = call(t, h, "GET", "/api/keys/", "")
	require.Equal(t, 200, w.Code)
	list := decode[[]map[string]any](t, w)
	require.Len(t, list, 1)
	assert.Equal(t, id, list[0]["id"])
	assert.NotContains(t, list[0], "key")
	assert.NotContains(t, w.Body.String(), text[len(text)-36:])
	assert.Equal(t, 200, call(t, h, "HEAD", "/api/keys/", "").Code)

	w = call(t, h, "POST", "/api/keys/"+id+"/rotate/", `{"overlap":"24h"}`)
	require.Equal(t, 201, w.Code, "%s", w.Body)
	next := decode[map[string]any](t, w)
	assert.NotEqual(t, id, next["id"])
	_, err = f.Verify(t.Context(), next["key"].(string), anywhere)
	require.NoError(t, err)
	_, err = f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err, "within the overlap")
	w = call(t, h, "POST", "/api/keys/"+id+"/rotate/", `{"overlap":"24h"}`)
	assert.Equal(t, 409, w.Code)
	assert.Contains(t, w.Body.String(), `"key_rotated"`)

	for range 2 {
		w = call(t, h, "DELETE", "/api/keys/"+id+"/", "")
		assert.Equal(t, 204, w.Code)
		assert.Empty(t, w.Body.String())
	}
	_, err = f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyRevoked, reason(err))
	w = call(t, h, "POST", "/api/keys/"+id+"/rotate/", `{"overlap":"24h"}`)
	assert.Equal(t, 409, w.Code)
	assert.Contains(t, w.Body.String(), `"key_revoked"`)
	list = decode[[]map[string]any](t, call(t, h, "GET", "/api/keys/", ""))
	i := slices.IndexFunc(list, func(k map[string]any) bool { return k["id"] == id })
	assert.NotNil(t, list[i]["revoked"])
	assert.Equal(t, next["id"], list[i]["successor"])
	assert.NotContains(t, f.log.String(), text[len(text)-36:])
}

func TestKeysOfOthersAreNotFound(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asAlice)
	bobs, text := f.make(t, func(k *apikey.Key) { k.Owner = "bob" })
	nobodys, _ := f.make(t, func(k *apikey.Key) { k.Owner = "" })
	unknown := call(t, h, "DELETE", "/api/keys/0000000000000000/", "")
	assert.Equal(t, 404, unknown.Code)
	for _, id := range []string{bobs.ID, nobodys.ID, "a%00b", "%ff", strings.Repeat("a", 65), "a%2fb"} {
		for _, w := range []*httptest.ResponseRecorder{
			call(t, h, "DELETE", "/api/keys/"+id+"/", ""),
			call(t, h, "POST", "/api/keys/"+id+"/rotate/", `{"overlap":"0s"}`),
		} {
			assert.Equal(t, 404, w.Code, id)
			assert.Equal(t, unknown.Body.String(), w.Body.String(), id)
			assert.Equal(t, unknown.Header(), w.Header(), id)
		}
	}
	assert.Equal(t, "[]\n", call(t, h, "GET", "/api/keys/", "").Body.String())
	assert.Equal(t, "[]\n", call(t, h, "GET", "/api/keys/?owner=bob", "").Body.String(), "owner is for All")
	_, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	event := f.log.all(t)[2]
	assert.Equal(t, "authz_fail", event["event"])
	assert.Equal(t, "api_key", event["kind"])
}

func TestNoOneGrantsAScopeThatTheyLack(t *testing.T) {
	f := newFixture(t)
	own, _ := f.make(t, func(k *apikey.Key) { k.Scopes = []string{"ops"} }) // from before alice lost it
	for _, actor := range []func(*http.Request) (apikey.Actor, bool){asAlice, asRoot} {
		h := mounted(f, actor)
		w := call(t, h, "POST", "/api/keys/", `{"name":"n","scopes":["products:write","ops"]}`)
		assert.Equal(t, 403, w.Code)
		w = call(t, h, "POST", "/api/keys/"+own.ID+"/rotate/", `{"overlap":"0s"}`)
		assert.Equal(t, 403, w.Code, "a rotation hands out a working secret")
	}
	got, _, err := f.store.Lookup(t.Context(), own.ID)
	require.NoError(t, err)
	assert.Empty(t, got.Successor)
	assert.Contains(t, f.log.String(), `"event":"authz_fail"`)
}

func TestWhoManagesAllKeysSeesAll(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asRoot)
	mine, _ := f.make(t, func(k *apikey.Key) { k.Scopes = nil })
	f.make(t, func(k *apikey.Key) { k.Owner = "bob" })
	assert.Len(t, decode[[]any](t, call(t, h, "GET", "/api/keys/", "")), 2)
	assert.Len(t, decode[[]any](t, call(t, h, "GET", "/api/keys/?owner=bob", "")), 1)
	assert.Equal(t, 400, call(t, h, "GET", "/api/keys/?owner=%00", "").Code)
	w := call(t, h, "POST", "/api/keys/"+mine.ID+"/rotate/", `{"overlap":"1h"}`)
	require.Equal(t, 201, w.Code)
	assert.Equal(t, "alice", decode[map[string]any](t, w)["owner"], "a rotation changes no owner")
	assert.Equal(t, 204, call(t, h, "DELETE", "/api/keys/"+mine.ID+"/", "").Code)
}

func TestAnActorWhoCannotBeToldIsRefused(t *testing.T) {
	f := newFixture(t)
	f.make(t, func(k *apikey.Key) { k.Owner = "" })
	for desc, actor := range map[string]func(*http.Request) (apikey.Actor, bool){
		"no function": nil,
		"false":       func(*http.Request) (apikey.Actor, bool) { return apikey.Actor{Owner: "alice", All: true}, false },
		"no owner":    func(*http.Request) (apikey.Actor, bool) { return apikey.Actor{}, true },
	} {
		w := call(t, mounted(f, actor), "GET", "/api/keys/", "")
		assert.Equal(t, 403, w.Code, desc)
		assert.Contains(t, w.Body.String(), `"permission_denied"`, desc)
	}
}

func TestPagesAreLinked(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asAlice)
	for range 5 {
		f.make(t)
	}
	seen := map[string]bool{}
	path, pages := "/api/keys/?limit=2", 0
	for path != "" {
		w := call(t, h, "GET", path, "")
		require.Equal(t, 200, w.Code)
		for _, k := range decode[[]map[string]any](t, w) {
			seen[k["id"].(string)] = true
		}
		pages++
		link := w.Header().Get("Link")
		path = ""
		if link != "" {
			query, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			require.True(t, ok, link)
			path = "/api/keys/" + query
		}
	}
	assert.Len(t, seen, 5)
	assert.Equal(t, 3, pages)
	for _, q := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "limit=99999999999999999999", "cursor=%00", "cursor=a%20b", "%zz", "a;b"} {
		w := call(t, h, "GET", "/api/keys/?"+q, "")
		assert.Equal(t, 400, w.Code, q)
	}
}

func TestWhoManagesAllKeysSetsPlanAndOwner(t *testing.T) {
	f := newFixture(t)
	root := mounted(f, asRoot)
	w := call(t, root, "POST", "/api/keys/", `{"name":"shop","owner":"bob","plan":"gold","allow":["203.0.113.0/24"]}`)
	require.Equal(t, 201, w.Code, "%s", w.Body)
	made := decode[map[string]any](t, w)
	assert.Equal(t, "bob", made["owner"])
	assert.Equal(t, "gold", made["plan"])
	assert.Equal(t, []any{"203.0.113.0/24"}, made["allow"])
	_, err := f.Verify(t.Context(), made["key"].(string), netip.MustParseAddr("203.0.113.7"))
	require.NoError(t, err)
	_, err = f.Verify(t.Context(), made["key"].(string), anywhere)
	assert.Equal(t, apikey.KeyAddress, reason(err))
}

func TestComplaintsAboutOneBodyAreBounded(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"name":"n"`)
	for i := range 4000 {
		fmt.Fprintf(&body, `,"x%d":1`, i)
	}
	f := newFixture(t)
	w := call(t, mounted(f, asAlice), "POST", "/api/keys/", body.String()+"}")
	assert.Equal(t, 422, w.Code)
	assert.Less(t, w.Body.Len(), 4096)
}

func TestBadInputIsAProblem(t *testing.T) {
	f := newFixture(t)
	own, _ := f.make(t)
	h := mounted(f, asAlice)
	tests := []struct {
		desc, path, body string
		status           int
		errors           string
	}{
		{"no body", "", " ", 400, "# syntax"},
		{"truncated", "", `{"name":"n"`, 400, "# syntax"},
		{"truncated in a value", "", `{"name":"n`, 400, "#/name syntax"},
		{"no comma", "", `{"name":"n" "scopes":[]}`, 400, "# syntax"},
		{"a name that is no string", "", `{1:2}`, 400, "# syntax"},
		{"not an object", "", `[]`, 400, "# invalid"},
		{"null", "", `null`, 400, "# null"},
		{"a word", "", `hello`, 400, "# syntax"},
		{"a name used twice", "", `{"name":"a","name":"b"}`, 400, "#/name duplicate_name"},
		{"an unknown name used twice", "", `{"x":1,"x":2}`, 400, "#/x duplicate_name"},
		{"something behind", "", `{"name":"n"}{}`, 400, "# trailing_data"},
		{"invalid UTF-8", "", "{\"name\":\"\xff\"}", 400, "# invalid_utf8"},
		{"a NUL", "", "{\"name\":\"a\x00\"}", 400, "#/name syntax"},
		{"deeply nested", "", `{"name":` + strings.Repeat("[", 20000), 400, "# too_deep"},
		{"too large", "", `{"name":"` + strings.Repeat("x", 70000) + `"}`, 413, ""},
		{"no name", "", `{}`, 422, "#/name required"},
		{"null for nothing", "", `{"scopes":null,"allow":null,"expires":null}`, 422, "#/name required"},
		{"null for a name", "", `{"name":null}`, 400, "#/name null"},
		{"unknown names", "", `{"name":"n","owner":"bob","key":"x","Name":"n"}`, 422, "#/owner unknown_field, #/key unknown_field, #/Name wrong_case"},
		{"an unknown name with markup", "", `{"name":"n","<script>":1}`, 422, "#/%3Cscript%3E unknown_field"},
		{"wrong types", "", `{"name":1,"scopes":"a","expires":5}`, 400, "#/name invalid, #/scopes not_a_list, #/expires invalid"},
		{"a wrong element", "", `{"name":"n","scopes":["products:write",1]}`, 400, "#/scopes/1 invalid"},
		{"an escaped NUL", "", `{"name":"a\u0000"}`, 422, "#/name null_characters_not_allowed"},
		{"a lone surrogate", "", `{"name":"\ud800"}`, 400, "#/name syntax"},
		{"bad values", "", `{"name":"","scopes":["a b","a","a"],"expires":"tomorrow"}`, 422, "#/expires invalid, #/name required, #/scopes/0 invalid, #/scopes/2 unique"},
		{"addresses that are none", "", `{"name":"n","allow":["203.0.113.0/24","203.0.113.9/24","x"]}`, 422, "#/allow/1 invalid, #/allow/2 invalid"},
		{"too many scopes", "", `{"name":"n","scopes":[""` + strings.Repeat(`,""`, 20_000) + `]}`, 422, "#/scopes max_length"},
		{"too many addresses", "", `{"name":"n","allow":[""` + strings.Repeat(`,""`, 20_000) + `]}`, 422, "#/allow max_length"},
		{"a plan of one's own choice", "", `{"name":"n","plan":"gold"}`, 422, "#/plan unknown_field"},
		{"an expiry in the past", "", `{"name":"n","expires":"2020-01-01T00:00:00Z"}`, 422, "#/expires invalid"},
		{"the zero time is no way to say never", "", `{"name":"n","expires":"0001-01-01T00:00:00Z"}`, 422, "#/expires invalid"},
		{"an expiry without a zone", "", `{"name":"n","expires":"2099-01-01T00:00:00"}`, 422, "#/expires invalid"},
		{"no overlap", own.ID + "/rotate/", `{}`, 422, "#/overlap invalid"},
		{"an overlap that is no duration", own.ID + "/rotate/", `{"overlap":"a day"}`, 422, "#/overlap invalid"},
		{"an overlap of a lifetime", own.ID + "/rotate/", `{"overlap":"2562047h"}`, 422, "#/overlap invalid"},
		{"a negative overlap", own.ID + "/rotate/", `{"overlap":"-1s"}`, 422, "#/overlap invalid"},
		{"an overlap of another type", own.ID + "/rotate/", `{"overlap":24}`, 400, "#/overlap invalid"},
		{"a malformed rotation", own.ID + "/rotate/", `{`, 400, "# syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w := call(t, h, "POST", "/api/keys/"+tt.path, tt.body)
			assert.Equal(t, tt.status, w.Code, "%s", w.Body)
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			p := decode[struct{ Errors []rampart.FieldError }](t, w)
			var got []string
			for _, e := range p.Errors {
				got = append(got, e.Pointer+" "+e.Code)
			}
			assert.Equal(t, tt.errors, strings.Join(got, ", "))
		})
	}
	f.rest(t, 1)
	assert.Contains(t, f.log.String(), "input_validation_fail")
}

// rest asserts how many keys there are.
func (f fixture) rest(t *testing.T, n int) {
	t.Helper()
	all, err := f.List(t.Context(), apikey.Filter{})
	require.NoError(t, err)
	assert.Len(t, all, n)
}

func TestTheMediaTypeMustBeJSON(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asAlice)
	for header, want := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON;charset=UTF-8": 201, "application/problem+json": 201,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=latin1": 415, "/": 415,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/keys/", strings.NewReader(`{"name":"n"}`))
		r.Header.Set("Content-Type", header)
		assert.Equal(t, want, serve(h, r).Code, header)
		r = httptest.NewRequestWithContext(t.Context(), "POST", "/api/keys/", strings.NewReader(`{"name":"n"}`))
		r.Header.Set("Content-Type", header)
		r.Header.Set("Content-Encoding", "gzip")
		assert.Equal(t, 415, serve(h, r).Code, "%s, compressed", header)
	}
	f.rest(t, 4)
}

func TestPathsAndMethodsThatDoNotExist(t *testing.T) {
	f := newFixture(t)
	h := mounted(f, asAlice)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"PUT", "/api/keys/", 405, "GET, HEAD, POST"},
		{"DELETE", "/api/keys/", 405, "GET, HEAD, POST"},
		{"GET", "/api/keys/x/", 405, "DELETE"},
		{"GET", "/api/keys/x/rotate/", 405, "POST"},
		{"GET", "/api/keys/x", 405, "DELETE"},
		{"DELETE", "/api/keys/x", 404, ""},
		{"POST", "/api/keys/x/revoke/", 404, ""},
		{"POST", "/api/keys/x/rotate/y", 404, ""},
	} {
		w := call(t, h, tt.method, tt.path, "")
		assert.Equal(t, tt.status, w.Code, "%s %s", tt.method, tt.path)
		assert.Equal(t, tt.allow, w.Header().Get("Allow"))
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	}
}

func TestAnOutageInTheAdminHandlerIs503(t *testing.T) {
	f := newFixture(t)
	own, _ := f.make(t)
	h := mounted(f, asAlice)
	f.store.broken.Store(true)
	for _, w := range []*httptest.ResponseRecorder{
		call(t, h, "GET", "/api/keys/", ""),
		call(t, h, "POST", "/api/keys/", `{"name":"n"}`),
		call(t, h, "POST", "/api/keys/"+own.ID+"/rotate/", `{"overlap":"1s"}`),
		call(t, h, "DELETE", "/api/keys/"+own.ID+"/", ""),
	} {
		assert.Equal(t, 503, w.Code)
		assert.NotContains(t, w.Body.String(), "refused")
	}
	assert.Contains(t, f.log.String(), `"event":"sys_backend_unavailable"`)
	assert.Contains(t, f.log.String(), "connection refused")
}

func FuzzAdminBody(f *testing.F) {
	f.Add(`{"name":"n","scopes":["products:write"],"expires":"2099-01-01T00:00:00Z"}`)
	f.Add(`{"name":"n","name":"m"}`)
	f.Add(`{"overlap":"1h"}`)
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: prefix})
	require.NoError(f, err)
	h := keys.Admin(asAlice)
	f.Fuzz(func(t *testing.T, body string) {
		w := call(t, h, "POST", "/", body)
		switch w.Code {
		case 201:
			if !json.Valid([]byte(body)) {
				t.Errorf("accepted: %q", body)
			}
		case 400, 403, 413, 415, 422:
		default:
			t.Errorf("%d for %q", w.Code, body)
		}
	})
}
