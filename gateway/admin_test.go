package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
)

const empty = "_format_version: \"3.0\"\n"

func TestTheAdminAPIIsKeptFromWebPages(t *testing.T) {
	e := start(t, empty)
	for name, headers := range map[string][]string{
		"a form of another site":      {"Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"},
		"an origin of its own":        {"Origin: " + e.admin},
		"an opaque origin":            {"Origin: null"},
		"another site, without one":   {"Sec-Fetch-Site: cross-site"},
		"a sibling":                   {"Sec-Fetch-Site: same-site"},
		"a name that was rebound":     {"Host: evil.example"},
		"a name like a loopback one":  {"Host: 127.0.0.1.evil.example"},
		"the address of another host": {"Host: 192.0.2.1"},
	} {
		r := do(t, "POST", e.admin+"/services", "name=a&host=b", append(headers, "Content-Type: application/x-www-form-urlencoded")...)
		assert.Equal(t, 403, r.status, name)
		assert.Equal(t, 403, do(t, "GET", e.admin+"/", "", headers...).status, name)
	}
	assert.Empty(t, e.g.Current().Services, "none of it took effect")
	assert.Equal(t, 200, do(t, "GET", e.admin+"/", "", "Host: localhost:8001").status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/", "", "Host: [::1]:8001").status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/", "", "Sec-Fetch-Site: none").status)
}

func TestTheAdminAPIMayNeedAToken(t *testing.T) {
	e := start(t, empty, func(c *gateway.Config) { c.AdminToken = "a-long-admin-token" })
	assert.Equal(t, 401, do(t, "GET", e.admin+"/", "").status)
	assert.Equal(t, 401, do(t, "GET", e.admin+"/", "", "Authorization: Bearer x").status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/", "", "Authorization: Bearer a-long-admin-token", "Host: gw.example").status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/", "", "Kong-Admin-Token: a-long-admin-token").status)
	assert.Equal(t, 403, do(t, "GET", e.admin+"/", "", "Kong-Admin-Token: a-long-admin-token", "Origin: http://x").status)
}

func TestEntitiesAreMadeReadChangedAndRemoved(t *testing.T) {
	e := start(t, empty)
	r := do(t, "POST", e.admin+"/services", `{"name":"s","url":"http://up:81/base","tags":["a"]}`, "Content-Type: application/json")
	require.Equal(t, 201, r.status, r.body)
	made := r.json(t)
	assert.Equal(t, "up", made["host"])
	assert.InDelta(t, 81, made["port"], 0)
	assert.Equal(t, "/base", made["path"])
	assert.NotContains(t, made, "url")
	id, _ := made["id"].(string)
	assert.Len(t, id, 36)

	assert.Equal(t, made, do(t, "GET", e.admin+"/services/s", "").json(t))
	assert.Equal(t, made, do(t, "GET", e.admin+"/services/"+id, "").json(t))
	r = e.form("PATCH", "/services/s", "retries", "1", "tags[1]", "x", "tags[2]", "y")
	require.Equal(t, 200, r.status, r.body)
	assert.InDelta(t, 1, r.json(t)["retries"], 0)
	assert.Equal(t, []any{"x", "y"}, r.json(t)["tags"])
	assert.Equal(t, "/base", r.json(t)["path"], "the rest stays")
	r = do(t, "PUT", e.admin+"/services/s", `{"name":"s","host":"other"}`, "Content-Type: application/json")
	require.Equal(t, 200, r.status, r.body)
	assert.Nil(t, r.json(t)["path"], "PUT begins with the defaults")
	assert.Equal(t, id, r.json(t)["id"])
	r = e.form("PUT", "/services/new", "host", "up")
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, "new", r.json(t)["name"])

	r = e.form("POST", "/services/s/routes", "name", "r", "paths[]", "/a", "paths[]", "/b", "hosts", "h.example")
	require.Equal(t, 201, r.status, r.body)
	assert.Equal(t, []any{"/a", "/b"}, r.json(t)["paths"])
	assert.Equal(t, map[string]any{"id": id}, r.json(t)["service"])
	assert.Equal(t, "s", do(t, "GET", e.admin+"/routes/r/service", "").json(t)["name"])
	assert.Equal(t, 404, do(t, "GET", e.admin+"/services/new/routes/r", "").status, "it belongs to the other one")
	assert.Empty(t, do(t, "GET", e.admin+"/services/new/routes", "").json(t)["data"])
	require.Equal(t, 201, e.form("POST", "/routes/r/plugins", "name", "cors", "config.origins", "https://a.example").status)

	r = do(t, "DELETE", e.admin+"/services/s", "")
	assert.Equal(t, 400, r.status, "a route is left")
	assert.InDelta(t, 4, r.json(t)["code"], 0, "Kong's number")
	assert.Equal(t, "foreign key violation", r.json(t)["name"])
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/routes/r", "").status)
	assert.Empty(t, do(t, "GET", e.admin+"/plugins", "").json(t)["data"], "its plugin went with it")
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/services/s", "").status)
	assert.Equal(t, 404, do(t, "DELETE", e.admin+"/services/s", "").status, "a name may be written wrongly")
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/services/"+id, "").status, "an id that has gone is gone")
	assert.Equal(t, 404, do(t, "GET", e.admin+"/services/s", "").status)
	assert.Equal(t, 404, do(t, "PATCH", e.admin+"/services/s", "").status)
}

func TestCredentialsTakeEffectAtOnce(t *testing.T) {
	e := start(t, one("  - {name: key-auth}"))
	require.Equal(t, 201, e.form("POST", "/consumers", "username", "carol").status)
	r := e.form("POST", "/consumers/carol/key-auth", "key", "carol-key-0123456789")
	require.Equal(t, 201, r.status, r.body)
	assert.Equal(t, 200, e.get("/api", "apikey: carol-key-0123456789").status)
	require.Equal(t, 201, e.form("POST", "/consumers/carol/acls", "group", "g").status)
	require.Equal(t, 201, e.form("POST", "/consumers/carol/jwt", "key", "iss", "secret", strings.Repeat("s", 32)).status)
	id, _ := r.json(t)["id"].(string)
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/carol/key-auth/"+id, "").status)
	assert.Equal(t, 401, e.get("/api", "apikey: carol-key-0123456789").status)
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/carol", "").status)
	assert.Empty(t, e.g.Current().ACLs)
}

func TestWhatIsWrongChangesNothing(t *testing.T) {
	e := start(t, one(""))
	before := e.g.Current()
	for name, c := range map[string]struct {
		method, path string
		pairs        []string
		status       int
		message      string
	}{
		"an unknown field":    {"POST", "/services", []string{"host", "a", "hots", "b"}, 400, "hots"},
		"an unknown plugin":   {"POST", "/services/svc/plugins", []string{"name", "lua"}, 400, "no plugin"},
		"a name that is used": {"POST", "/services", []string{"name", "svc", "host", "a"}, 409, "(name: another one of services has the same)"},
		"a bad expression":    {"POST", "/services/svc/routes", []string{"paths", "~/(?=x)"}, 400, "look-around"},
		"a missing parent":    {"POST", "/services/none/routes", []string{"paths", "/"}, 404, "Not found"},
		"an unknown kind":     {"POST", "/vaults", nil, 404, "Not found"},
		"a nested stranger":   {"POST", "/services/svc/targets", nil, 404, "Not found"},
		"an id that moves":    {"PATCH", "/services/svc", []string{"id", "00000000-0000-4000-8000-000000000000"}, 400, "an id does not change"},
		"POST on an entity":   {"POST", "/services/svc", nil, 405, ""},
		"a field within one":  {"POST", "/plugins", []string{"name", "cors", "config", "x", "config.y", "1"}, 400, "config"},
		"redis without one":   {"POST", "/plugins", []string{"name", "rate-limiting", "config.second", "1", "config.policy", "redis"}, 400, "-redis"},
	} {
		r := e.form(c.method, c.path, c.pairs...)
		assert.Equal(t, c.status, r.status, name+": "+r.body)
		assert.Contains(t, r.body, c.message, name)
	}
	assert.Equal(t, 415, do(t, "POST", e.admin+"/services", "<a/>", "Content-Type: application/xml").status)
	assert.Equal(t, 400, do(t, "POST", e.admin+"/services", "{", "Content-Type: application/json").status)
	assert.Same(t, before, e.g.Current())
	r := e.form("POST", "/services", "host", "a", "hots", "b")
	assert.Equal(t, map[string]any{"hots": "unknown field (host?)"}, r.json(t)["fields"], "Kong's clients look there")
}

func TestChangesAreWrittenBackWhenAsked(t *testing.T) {
	e := start(t, one(""))
	require.Equal(t, 201, e.form("POST", "/services", "name", "unsaved", "host", "a").status)
	text, err := os.ReadFile(e.file)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "unsaved")
	require.Equal(t, 201, e.form("POST", "/services?save=true", "name", "saved", "host", "a").status)
	text, err = os.ReadFile(e.file)
	require.NoError(t, err)
	f, err := plugin.Types().Parse(text)
	require.NoError(t, err)
	assert.True(t, conf.Same(f, e.g.Current()))
	info, err := os.Stat(e.file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	e = start(t, empty, func(c *gateway.Config) { c.File = "" })
	assert.Equal(t, 400, e.form("POST", "/services?save=true", "name", "x", "host", "a").status)
	assert.Empty(t, e.g.Current().Services)
}

func TestAPluginDoesNotBecomeAnother(t *testing.T) {
	e := start(t, one("  - {id: 00000000-0000-4000-8000-000000000001, name: key-auth}"))
	r := e.form("PATCH", "/plugins/00000000-0000-4000-8000-000000000001", "name", "cors")
	assert.Equal(t, 400, r.status, r.body)
	assert.Contains(t, r.body, "name")
	assert.Equal(t, "key-auth", e.g.Current().Plugins[0].Name)
}

func TestAChangeThatCannotBeSavedIsInUseAllTheSame(t *testing.T) {
	e := start(t, one(""))
	e.g.Look(t.Context())
	e.g.Look(t.Context())
	dir := filepath.Dir(e.file)
	require.NoError(t, os.Rename(dir, dir+"-away"))
	r := e.form("POST", "/services?save=true", "name", "new", "host", "a")
	assert.Equal(t, 500, r.status)
	assert.Equal(t, "not_saved", r.json(t)["name"])
	assert.Contains(t, r.json(t)["message"], "the change is in use, but not in the file")
	assert.Equal(t, 200, do(t, "GET", e.admin+"/services/new", "").status)

	require.NoError(t, os.Rename(dir+"-away", dir))
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(e.file, later, later))
	e.g.Look(t.Context())
	e.g.Look(t.Context())
	assert.Equal(t, 200, do(t, "GET", e.admin+"/services/new", "").status, "the file is touched, but says nothing new")
	assert.Equal(t, 204, do(t, "DELETE", e.admin+"/services/new?save=true", "").status)
}

func TestAWholeConfigurationIsReplaced(t *testing.T) {
	e := start(t, one(""))
	text := do(t, "GET", e.admin+"/config", "").body
	require.Contains(t, text, "name: svc")
	r := do(t, "POST", e.admin+"/config", strings.ReplaceAll(text, "/api", "/other"))
	require.Equal(t, 201, r.status, r.body)
	assert.Equal(t, 404, e.get("/api").status)
	assert.Equal(t, 200, e.get("/other").status)
	assert.Equal(t, 400, do(t, "POST", e.admin+"/config", "x: 1").status)
	assert.Equal(t, 200, e.get("/other").status)
}

func TestTheAdminAPITellsHowItIs(t *testing.T) {
	e := start(t, one(""))
	e.get("/api")
	status := do(t, "GET", e.admin+"/status", "").json(t)
	assert.InDelta(t, 1, status["server"].(map[string]any)["total_requests"], 0) //nolint:forcetypeassert // of a test
	assert.Contains(t, do(t, "GET", e.admin+"/", "").body, "usage-plan")
	assert.Equal(t, 405, do(t, "POST", e.admin+"/status", "").status)
	assert.Equal(t, 405, do(t, "PUT", e.admin+"/config", "").status)
}

func TestWithoutATokenTheAdminAPIServesThisMachineOnly(t *testing.T) {
	g, err := gateway.New(gateway.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { _ = g.Close() }()
	for peer, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "203.0.113.9:1": 403, "@": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/services", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		g.Admin().ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, peer)
	}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.UnixAddr{}), http.MethodGet, "http://localhost/services", nil)
	w := httptest.NewRecorder()
	g.Admin().ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code, "a Unix socket")
}

// A far listener has an address of a kind of its own, as a tunnel has.
type farListener struct{ net.Listener }

func (farListener) Addr() net.Addr { return farAddr{} }

type farAddr struct{}

func (farAddr) Network() string { return "tunnel" }
func (farAddr) String() string  { return "100.64.0.1:8001" }

func TestWithoutATokenServeRefusesAnAdminListenerOfAnUnknownKind(t *testing.T) {
	g, err := gateway.New(gateway.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { _ = g.Close() }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	assert.ErrorContains(t, g.Serve(t.Context(), gateway.Listeners{Admin: farListener{ln}}), "AdminToken")
}
