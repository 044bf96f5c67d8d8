package throttle_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

func get(remoteAddr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	r.RemoteAddr = remoteAddr
	return r
}

// keyOf returns what f appends, and checks that it leaves the rest alone.
func keyOf(f throttle.KeyFunc, r *http.Request) (string, bool) {
	key, applies := f([]byte("before "), r)
	if len(key) < 7 || string(key[:7]) != "before " {
		panic("a KeyFunc changed what it is to append to")
	}
	return string(key[7:]), applies
}

func TestByIP(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1":                   "192.0.2.7",
		"[::ffff:192.0.2.7]:1":          "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1":      "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1%eth0]:1": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":              "fe80::/64",
		"@":                             "",
		"nonsense":                      "",
	} {
		key, ok := keyOf(throttle.ByIP(nil), get(remote))
		assert.True(t, ok, "the policy applies to every request")
		assert.Equal(t, want, key, remote)
	}
	key, ok := keyOf(throttle.ByIP(func(*http.Request) netip.Addr { return netip.MustParseAddr("203.0.113.9") }), get("192.0.2.7:1"))
	assert.True(t, ok)
	assert.Equal(t, "203.0.113.9", key)
}

func TestByCaller(t *testing.T) {
	ann := rampart.Caller{Kind: "token", ID: "ann"}
	r := get("192.0.2.7:1")
	_, ok := keyOf(throttle.ByCaller(), r)
	assert.False(t, ok, "a stranger pays otherwise")
	key, ok := keyOf(throttle.ByCaller(), r.WithContext(rampart.WithCaller(r.Context(), ann)))
	assert.True(t, ok)
	assert.Equal(t, ann.Key(), key)
}

func TestByNetwork(t *testing.T) {
	key := func(remote string, v4, v6 int) string {
		key, ok := keyOf(throttle.ByNetwork(nil, v4, v6), get(remote))
		assert.True(t, ok)
		return key
	}
	assert.Equal(t, "192.0.2.0/24", key("192.0.2.7:1", 24, 48))
	assert.Equal(t, "2001:db8:1::/48", key("[2001:db8:1:2::1]:1", 24, 48))
	assert.Equal(t, "2001:db8:1:2::1", key("[2001:db8:1:2::1]:1", 32, 128))
	for _, bits := range []int{-1, 0, 129} {
		assert.Empty(t, key("[2001:db8::1]:1", 32, bits), "refuses")
		assert.Empty(t, key("192.0.2.7:1", bits, 64), "refuses")
	}
	assert.Empty(t, key("192.0.2.7:1", 33, 64), "refuses")
}

func TestByHeader(t *testing.T) {
	f := throttle.ByHeader("x-tenant")
	r := get("192.0.2.7:1")
	_, ok := keyOf(f, r)
	assert.False(t, ok, "does not apply without the header")
	r.Header.Set("X-Tenant", "")
	_, ok = keyOf(f, r)
	assert.False(t, ok, "nor with an empty one")
	r.Header.Set("X-Tenant", "a")
	key, ok := keyOf(f, r)
	assert.True(t, ok)
	assert.Equal(t, "a", key)
	r.Header.Add("X-Tenant", "b")
	key, ok = keyOf(f, r)
	assert.True(t, ok)
	assert.Empty(t, key, "two values: refuses")
}

func TestBy(t *testing.T) {
	subject := ""
	f := throttle.By("subject", func(*http.Request) string { return subject })
	_, ok := keyOf(f, get("192.0.2.7:1"))
	assert.False(t, ok)
	subject = "42"
	key, ok := keyOf(f, get("192.0.2.7:1"))
	assert.True(t, ok)
	assert.Equal(t, "subject:42", key)
}

func TestJointKeysOfDifferentPartsDiffer(t *testing.T) {
	part := func(s string) throttle.KeyFunc {
		return func(dst []byte, _ *http.Request) ([]byte, bool) { return append(dst, s...), s != "-" }
	}
	seen := map[string]bool{}
	for _, parts := range [][]string{{"a", "bc"}, {"ab", "c"}, {"abc"}, {"a", "b", "c"}, {"bc", "a"}, {"\x01a", "c"}} {
		var fs []throttle.KeyFunc
		for _, p := range parts {
			fs = append(fs, part(p))
		}
		key, ok := keyOf(throttle.Joint(fs...), get("192.0.2.7:1"))
		assert.True(t, ok)
		assert.False(t, seen[key], "%q", parts)
		seen[key] = true
	}
	_, ok := keyOf(throttle.Joint(part("a"), part("-")), get("192.0.2.7:1"))
	assert.False(t, ok, "a part that does not apply")
	key, ok := keyOf(throttle.Joint(part("a"), part("")), get("192.0.2.7:1"))
	assert.True(t, ok)
	assert.Empty(t, key, "a part that cannot tell")
	_, ok = keyOf(throttle.Joint(), get("192.0.2.7:1"))
	assert.False(t, ok)
}

func TestByRouteCountsEachPatternByItself(t *testing.T) {
	var keys []string
	mux := http.NewServeMux()
	note := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, f := range []throttle.KeyFunc{throttle.ByRoute(), throttle.ByRoute(throttle.ByIP(nil))} {
			key, ok := keyOf(f, r)
			assert.True(t, ok)
			keys = append(keys, key)
		}
	})
	mux.Handle("GET /items/{id}", note)
	mux.Handle("GET /orders/{id}", note)
	for _, path := range []string{"/items/1", "/items/2", "/orders/1"} {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	assert.Equal(t, keys[:2], keys[2:4], "one route is one key, whatever the path")
	assert.NotEqual(t, keys[0], keys[4])
	assert.NotEqual(t, keys[1], keys[5])
	assert.NotEqual(t, keys[0], keys[1])

	outside := httptest.NewRequest(http.MethodGet, "/items/1", nil)
	key, applies := keyOf(throttle.ByRoute(throttle.ByIP(nil)), outside)
	assert.True(t, applies)
	assert.Empty(t, key, "no pattern: who pays cannot be told")
	_, applies = keyOf(throttle.ByRoute(throttle.ByHeader("X-User")), get("192.0.2.1:1"))
	assert.True(t, applies)
}
