package apikey_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

// request returns a GET with header lines, given as names and values.
func request(tb testing.TB, header ...string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/api/partner/?q=1", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	f := newFixture(t)
	_, text := f.make(t)
	revoked, revokedText := f.make(t)
	require.NoError(t, f.Revoke(t.Context(), revoked.ID))
	_, elsewhere := f.make(t, func(k *apikey.Key) { k.Allow = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	const (
		bad  = `{"title":"Unauthorized","status":401,"detail":"Incorrect authentication credentials.","code":"authentication_failed"}` + "\n"
		none = `{"title":"Unauthorized","status":401,"detail":"Authentication credentials were not provided.","code":"not_authenticated"}` + "\n"
	)
	tests := []struct {
		desc   string
		header []string
		status int
		body   string
		reason rampart.Denial
	}{
		{"a good key", []string{"X-API-Key", text}, 200, "", ""},
		{"a good key in Authorization", []string{"Authorization", "Api-Key " + text}, 200, "", ""},
		{"the scheme in another case", []string{"Authorization", "api-key  " + text}, 200, "", ""},
		{"beside another scheme's credentials", []string{"Authorization", "Bearer x", "X-API-Key", text}, 200, "", ""},
		{"no key", nil, 401, none, apikey.KeyMissing},
		{"another scheme", []string{"Authorization", "Bearer " + text}, 401, none, apikey.KeyMissing},
		{"a scheme alone", []string{"Authorization", "Api-Key"}, 401, none, apikey.KeyMissing},
		{"a header with underscores", []string{"X_API_Key", text}, 401, none, apikey.KeyMissing},
		{"an empty key", []string{"X-API-Key", ""}, 401, bad, apikey.KeyMalformed},
		{"two keys", []string{"X-API-Key", text, "X-API-Key", text}, 401, bad, apikey.KeyDuplicate},
		{"a key in both headers", []string{"X-API-Key", text, "Authorization", "Api-Key " + text}, 401, bad, apikey.KeyDuplicate},
		{"two Authorization headers", []string{"Authorization", "Bearer x", "Authorization", "Api-Key " + text}, 401, bad, apikey.KeyDuplicate},
		{"two keys in one line", []string{"X-API-Key", text + ", " + text}, 401, bad, apikey.KeyMalformed},
		{"10 KB", []string{"X-API-Key", strings.Repeat("C", 10_000)}, 401, bad, apikey.KeyMalformed},
		{"a NUL", []string{"X-API-Key", "a\x00b"}, 401, bad, apikey.KeyMalformed},
		{"an unknown key", []string{"X-API-Key", good + checksumOfGood}, 401, bad, apikey.KeyUnknown},
		{"a revoked key", []string{"X-API-Key", revokedText}, 401, bad, apikey.KeyRevoked},
		{"a key from the wrong address", []string{"X-API-Key", elsewhere}, 401, bad, apikey.KeyAddress},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t, func(c *apikey.Config) { c.Store = f.store })
			next := new(spy)
			w := serve(f.Handler(next), request(t, tt.header...))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.body, w.Body.String())
			assert.Equal(t, "X-Api-Key", w.Header().Get("Vary"))
			if tt.status == http.StatusOK {
				assert.Equal(t, 1, next.calls)
				assert.Equal(t, "alice", next.caller.Owner())
				assert.Empty(t, f.log.String())
				return
			}
			assert.Zero(t, next.calls)
			assert.Equal(t, "Api-Key", w.Header().Get("WWW-Authenticate"))
			_, err := f.Check(request(t, tt.header...))
			assert.Equal(t, tt.reason, reason(err))
			event := f.log.last(t)
			assert.Equal(t, "authn_login_fail", event["event"])
			assert.Equal(t, "WARN", event["level"])
			assert.Equal(t, "api_key", event["kind"])
			assert.Equal(t, string(tt.reason), event["reason"])
			assert.Equal(t, "/api/partner/", event["path"])
			for _, secret := range []string{text, revokedText, elsewhere} {
				assert.NotContains(t, f.log.String(), secret[len(secret)-36:])
			}
		})
	}
}

func TestOptionalServesRequestsWithoutAKeyOnly(t *testing.T) {
	f := newFixture(t)
	_, text := f.make(t)
	next := new(spy)
	h := f.Optional(next)
	assert.Equal(t, 200, serve(h, request(t)).Code)
	assert.Nil(t, next.caller)
	assert.Equal(t, 200, serve(h, request(t, "X-API-Key", text)).Code)
	assert.Equal(t, "alice", next.caller.Owner())
	assert.Equal(t, 401, serve(h, request(t, "X-API-Key", text+"x")).Code)
	assert.Equal(t, 401, serve(h, request(t, "X-API-Key", "")).Code)
	assert.Equal(t, 2, next.calls)
}

func TestRequireScope(t *testing.T) {
	f := newFixture(t)
	k, text := f.make(t)
	tests := []struct {
		desc   string
		scopes []string
		status int
	}{
		{"one that it has", []string{"products:write"}, 200},
		{"both that it has", []string{"products:write", "customers:read"}, 200},
		{"one of two missing", []string{"products:write", "keys:manage"}, 403},
		{"the empty scope", []string{""}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			next := new(spy)
			w := serve(f.Handler(rampart.RequireScope(tt.scopes[0], tt.scopes[1:]...)(next)), request(t, "X-API-Key", text))
			assert.Equal(t, tt.status, w.Code)
			if tt.status == 200 {
				assert.Equal(t, 1, next.calls)
				return
			}
			assert.Zero(t, next.calls)
			assert.JSONEq(t, `{"title":"Forbidden","status":403,"detail":"You do not have permission to perform this action.","code":"insufficient_scope"}`, w.Body.String())
			assert.Empty(t, w.Header().Get("WWW-Authenticate"))
		})
	}
	event := f.log.all(t)[1] // after the creation of the key
	assert.Equal(t, "authz_fail", event["event"])
	assert.Equal(t, "scope", event["reason"])
	assert.Equal(t, k.ID, event["key_id"])
	next := new(spy)
	assert.Equal(t, 401, serve(rampart.RequireScope("a")(next), request(t)).Code, "outside Handler")
	assert.Zero(t, next.calls)
}

func TestAnOutageIs503AndAnError(t *testing.T) {
	f := newFixture(t)
	_, text := f.make(t)
	f.store.broken.Store(true)
	next := new(spy)
	w := serve(f.Handler(next), request(t, "X-API-Key", text))
	assert.Equal(t, 503, w.Code)
	assert.NotContains(t, w.Body.String(), "refused")
	assert.Equal(t, "sys_backend_unavailable", f.log.last(t)["event"])
	assert.Equal(t, "ERROR", f.log.last(t)["level"])
	assert.Contains(t, f.log.last(t)["error"], "connection refused")
	assert.Zero(t, next.calls)

	lines := len(f.log.all(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	serve(f.Handler(next), request(t, "X-API-Key", text).WithContext(ctx))
	assert.Len(t, f.log.all(t), lines, "a client that hangs up is no outage")
}

func TestHooks(t *testing.T) {
	var got error
	f := newFixture(t, func(c *apikey.Config) {
		c.Header = []string{"Authorization: Token", "Authorization: Key"}
		c.ClientIP = func(*http.Request) netip.Addr { return netip.MustParseAddr("198.51.100.9") }
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		}
	})
	_, text := f.make(t, func(k *apikey.Key) { k.Allow = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	next := new(spy)
	w := serve(f.Handler(next), request(t, "Authorization", "Token "+text))
	assert.Equal(t, 200, w.Code)
	assert.Empty(t, w.Header().Get("Vary"), "shared caches know Authorization")
	w = serve(f.Handler(next), request(t, "X-API-Key", text))
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.EqualError(t, got, "apikey: missing")
	assert.Equal(t, 1, next.calls)
}

func TestARefusalNamesTheSchemeThatIsAskedFor(t *testing.T) {
	f := newFixture(t, func(c *apikey.Config) { c.Header = []string{"Authorization: Token"} })
	for name, r := range map[string]*http.Request{"none": request(t), "a bad one": request(t, "Authorization", "Token x"), "an unknown one": request(t, "Authorization", "Token "+good+checksumOfGood)} {
		_, err := f.Check(r)
		w := httptest.NewRecorder()
		rampart.WriteError(w, err)
		assert.Equal(t, 401, w.Code, name)
		assert.Equal(t, "Token", w.Header().Get("WWW-Authenticate"), name)
	}
}
