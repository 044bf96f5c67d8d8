package router_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/gateway/internal/router"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func route(name string, change func(*conf.Route)) *conf.Route {
	r := conf.NewRoute()
	r.Name, r.ID = name, name
	change(r)
	return r
}

func paths(p ...string) func(*conf.Route) { return func(r *conf.Route) { r.Paths = p } }
func regex(prio int, p ...string) func(*conf.Route) {
	return func(r *conf.Route) { r.Paths, r.RegexPriority = p, prio }
}

// find returns the name of the route.
func find(t testing.TB, routes []*conf.Route, r router.Request) string {
	t.Helper()
	rt, err := router.New(routes)
	require.NoError(t, err)
	if r.Method == "" {
		r.Method = "GET"
	}
	m, ok := rt.Find(&r)
	if !ok {
		return ""
	}
	return routes[m.Route].Name
}

func TestTheDocumentedPriorityDecides(t *testing.T) {
	with := func(fs ...func(*conf.Route)) func(*conf.Route) {
		return func(r *conf.Route) {
			for _, f := range fs {
				f(r)
			}
		}
	}
	hosts := func(h ...string) func(*conf.Route) { return func(r *conf.Route) { r.Hosts = h } }
	methods := func(m ...string) func(*conf.Route) { return func(r *conf.Route) { r.Methods = m } }
	header := func(n string, v ...string) func(*conf.Route) {
		return func(r *conf.Route) {
			if r.Headers == nil {
				r.Headers = map[string][]string{}
			}
			r.Headers[n] = v
		}
	}
	for name, c := range map[string]struct {
		win, lose func(*conf.Route)
		ask       router.Request
	}{
		"more kinds of rules beat a longer path": {
			with(hosts("a.example"), paths("/")), paths("/long/path"),
			router.Request{Host: "a.example", Path: "/long/path"},
		},
		"a method is a kind of rule": {
			with(methods("GET"), paths("/a")), paths("/a/b"),
			router.Request{Path: "/a/b"},
		},
		"a plain host beats a wildcard": {
			with(hosts("a.example.com"), paths("/")), with(hosts("*.example.com"), paths("/x")),
			router.Request{Host: "a.example.com", Path: "/x"},
		},
		"a plain host among wildcards is no plain-host route": {
			with(hosts("a.example.com"), paths("/")), with(hosts("a.example.com", "*.example.org"), paths("/x")),
			router.Request{Host: "a.example.com", Path: "/x"},
		},
		"more headers beat a regular expression": {
			with(header("X-A", "1"), header("X-B", "1"), paths("/")), with(header("X-A", "1"), regex(9, "~/x")),
			router.Request{Path: "/x", Header: http.Header{"X-A": {"1"}, "X-B": {"1"}}},
		},
		"a regular expression beats a longer prefix": {
			regex(0, `~/a/\w`), paths("/a/bcdef"),
			router.Request{Path: "/a/bcdef"},
		},
		"the higher regex_priority": {
			regex(2, `~/a`), regex(1, `~/a/b`),
			router.Request{Path: "/a/b"},
		},
		"the longer prefix": {
			paths("/a/b"), paths("/a"),
			router.Request{Path: "/a/bc"},
		},
		"the older of equals": {
			with(paths("/a"), func(r *conf.Route) { r.CreatedAt = 5 }), with(paths("/a"), func(r *conf.Route) { r.CreatedAt = 6 }),
			router.Request{Path: "/a"},
		},
		"an sni is a kind of rule, with TLS": {
			with(paths("/a"), func(r *conf.Route) { r.SNIs = []string{"a.example"} }), paths("/a/b"),
			router.Request{Path: "/a/b", TLS: true, SNI: "a.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			win, lose := route("win", c.win), route("lose", c.lose)
			assert.Equal(t, "win", find(t, []*conf.Route{win, lose}, c.ask))
			assert.Equal(t, "win", find(t, []*conf.Route{lose, win}, c.ask), "in the other order")
			assert.Equal(t, "lose", find(t, []*conf.Route{lose}, c.ask), "it would match alone")
		})
	}
}

func TestAllRulesOfARouteMustMatch(t *testing.T) {
	r := route("r", func(r *conf.Route) {
		r.Paths, r.Methods, r.Hosts = []string{"/a"}, []string{"GET", "POST"}, []string{"h.example", "*.w.example", "p.*"}
		r.Headers = map[string][]string{"x-v": {"one", "~*^t.o$"}}
	})
	good := func() router.Request {
		return router.Request{Method: "GET", Host: "h.example", Path: "/a/b", Header: http.Header{"X-V": {"ONE"}}}
	}
	for name, c := range map[string]struct {
		change func(*router.Request)
		match  bool
	}{
		"as it is":                   {func(*router.Request) {}, true},
		"another host":               {func(r *router.Request) { r.Host = "x.example" }, false},
		"the host in capitals":       {func(r *router.Request) { r.Host = "H.Example:8000" }, true},
		"the host as FQDN":           {func(r *router.Request) { r.Host = "h.example." }, true},
		"below the wildcard":         {func(r *router.Request) { r.Host = "a.b.w.example" }, true},
		"the wildcard's own name":    {func(r *router.Request) { r.Host = "w.example" }, false},
		"a wildcard behind":          {func(r *router.Request) { r.Host = "p.example.org" }, true},
		"another method":             {func(r *router.Request) { r.Method = "PUT" }, false},
		"another path":               {func(r *router.Request) { r.Path = "/b" }, false},
		"a prefix inside a segment":  {func(r *router.Request) { r.Path = "/abc" }, true},
		"no header":                  {func(r *router.Request) { r.Header = nil }, false},
		"another value":              {func(r *router.Request) { r.Header = http.Header{"X-V": {"three"}} }, false},
		"a value by its expression":  {func(r *router.Request) { r.Header = http.Header{"X-V": {"TWO"}} }, true},
		"one of the header's values": {func(r *router.Request) { r.Header = http.Header{"X-V": {"x", "one"}} }, true},
	} {
		ask := good()
		c.change(&ask)
		assert.Equal(t, c.match, find(t, []*conf.Route{r}, ask) == "r", name)
	}
}

func TestAHostMayNameItsPort(t *testing.T) {
	r := route("r", func(r *conf.Route) { r.Hosts = []string{"a.example:8443"} })
	assert.Equal(t, "r", find(t, []*conf.Route{r}, router.Request{Host: "a.example:8443", Path: "/"}))
	assert.Empty(t, find(t, []*conf.Route{r}, router.Request{Host: "a.example:80", Path: "/"}))
}

func TestRegularExpressionsAreAnchoredAtTheStartOnly(t *testing.T) {
	r := route("r", regex(0, `~/user/\d+`))
	assert.Equal(t, "r", find(t, []*conf.Route{r}, router.Request{Path: "/user/12/x"}))
	assert.Empty(t, find(t, []*conf.Route{r}, router.Request{Path: "/x/user/12"}))
	alternatives := route("r", regex(0, `~/a|/b`))
	assert.Equal(t, "r", find(t, []*conf.Route{alternatives}, router.Request{Path: "/b"}))
	assert.Empty(t, find(t, []*conf.Route{alternatives}, router.Request{Path: "/c/b"}))
}

func TestAKongFileRoutesAsItsOperatorsExpect(t *testing.T) {
	text, err := os.ReadFile("../../testdata/kong.yml")
	require.NoError(t, err)
	f, err := plugin.Types().Parse(text)
	require.NoError(t, err)
	for _, c := range []struct{ method, host, path, header, want string }{
		{"GET", "api.example.net", "/catalog/list", "", "catalog-list"},
		{"POST", "api.example.net", "/catalog/list", "", "catalog-write"},
		{"GET", "api.example.net", "/catalog/items/12", "", "catalog-list"}, // two kinds of rules beat the expression
		{"OPTIONS", "api.example.net", "/catalog/items/12", "", "catalog-item"},
		{"OPTIONS", "api.example.net", "/catalog/items/12/images/1", "", "catalog-item-images"},
		{"OPTIONS", "api.example.net", "/catalog/x", "X-Release: beta", "catalog-beta"},
		{"GET", "api.example.net", "/catalog/x", "X-Release: beta", "catalog-beta"}, // as many kinds; headers count
		{"GET", "api.example.net", "/search/suggest/a", "", "search-suggest"},
		{"GET", "api.example.net", "/search/suggest/a", "Accept-Version: 2.1", "search-v2"},
		{"GET", "api.example.net", "/search/all", "", "search"},
		{"GET", "api.example.net", "/users/1", "", "accounts"},
		{"GET", "api.example.net", "/accounts/me/x", "", "accounts-me"},
		{"POST", "api.example.net", "/accounts/login/", "", "accounts-login"},
		{"GET", "admin.example.com", "/accounts/me", "", "accounts-admin"},
		{"GET", "api.example.net", "/orders/export/1", "", "orders-export"},
		{"GET", "api.example.net", "/shop/basket/0badcafe", "", "orders-legacy"},
		{"GET", "api.example.net", "/payments/status", "", "payments-status"},
		{"POST", "api.example.net", "/payments/status", "", "payments"},
		{"GET", "www.example.com", "/static/x.css", "", "website-static"},
		{"GET", "www.example.com", "/x", "", "website"},
		{"GET", "blog.example.com", "/x", "", "catch-all"}, // one kind each: a path of one letter is longer than none
		{"GET", "example.org", "/old/x", "", "website-old"},
		{"GET", "api.example.net", "/media/thumbs/10x20/a", "", "media-thumbs"},
		{"GET", "api.example.net", "/reports/2026/11", "", "reports-daily"},
		{"GET", "api.example.net", "/reports/2026/11/x", "", "reports"},
		{"GET", "partners.example.com", "/reports/2026/11", "", "reports-partner"},
		{"GET", "api.example.net", "/legacy/v0/x", "", "legacy-gone"},
		{"GET", "api.example.net", "/nothing", "", "catch-all"},
	} {
		h := http.Header{}
		if n, v, ok := cut(c.header); ok {
			h.Set(n, v)
		}
		got := find(t, f.Routes, router.Request{Method: c.method, Host: c.host, Path: c.path, Header: h})
		assert.Equal(t, c.want, got, "%s %s%s %s", c.method, c.host, c.path, c.header)
	}
}

func cut(s string) (string, string, bool) {
	for i := range s {
		if s[i] == ':' {
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

// some returns n prefix routes.
func some(t testing.TB, n int) *router.Router {
	t.Helper()
	var all []*conf.Route
	for i := range n {
		all = append(all, route(fmt.Sprint(i), paths(fmt.Sprintf("/api/v%d/resource-%d", i%10, i))))
	}
	rt, err := router.New(all)
	require.NoError(t, err)
	return rt
}

func TestAThousandRoutesCostHardlyMoreThanTen(t *testing.T) {
	r := &router.Request{Method: "GET", Host: "api.example.com", Path: "/api/v7/resource-7/items/12"}
	many, few := pace(t, some(t, 1000), r), pace(t, some(t, 10), r)
	t.Logf("%v for one of 1000 prefix routes, %v for one of 10", many, few)
	assert.Less(t, many, 6*few)
	if os.Getenv("RAMPART_BARS") == "1" {
		assert.LessOrEqual(t, many, time.Microsecond)
	}
}

// pace is how long one look-up takes, at best.
func pace(t *testing.T, rt *router.Router, r *router.Request) time.Duration {
	t.Helper()
	best := time.Hour
	for range 20 {
		begin := time.Now()
		for range 1000 {
			if _, ok := rt.Find(r); !ok {
				t.Fatal("not found")
			}
		}
		best = min(best, time.Since(begin)/1000)
	}
	return best
}

func TestManyExpressionsCostNoMoreThanTheirSum(t *testing.T) {
	var all []*conf.Route
	for i := range 1000 {
		all = append(all, route(fmt.Sprint(i), regex(0, fmt.Sprintf(`~/r%d/(a+)+$`, i))))
	}
	rt, err := router.New(all)
	require.NoError(t, err)
	path := "/r5/" + string(make([]byte, 4000))
	begin := time.Now()
	_, ok := rt.Find(&router.Request{Method: "GET", Path: path})
	assert.False(t, ok)
	assert.Less(t, time.Since(begin), 2*time.Second, "one of them runs, and in linear time")
}

func BenchmarkThousandPrefixRoutes(b *testing.B) {
	rt := some(b, 1000)
	r := &router.Request{Method: "GET", Host: "api.example.com", Path: "/api/v7/resource-777/items/12"}
	b.ReportAllocs()
	for b.Loop() {
		rt.Find(r)
	}
}
