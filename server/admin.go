package server

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// AdminConfig configures an [Admin].
type AdminConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Health is served at /livez, /readyz and, in detail, /health. Required.
	Health *Health

	// Metrics is served at /metrics; nil means that it is not.
	Metrics http.Handler

	// Handlers are further ones by their paths, such as "/debug/pprof/" for Index of
	// net/http/pprof. A path that ends with a slash stands for all below it. They get
	// only GET and HEAD requests.
	Handlers map[string]http.Handler

	// Hosts are names that a request's Host may have, without a port, beside
	// "localhost" and any IP address.
	Hosts []string
}

// An Admin serves what operators and their tools ask. It knows no credentials: give
// it a listener of its own, on a loopback address or one that only they reach. A page
// in an operator's browser gets nothing from it: a Host that is a foreign name (DNS
// rebinding) is refused with 421, a request that the browser marks as another
// site's with 403, and any method but GET and HEAD with 405. Create one with
// [NewAdmin]; the zero value refuses every request. It is safe for concurrent use.
type Admin struct {
	mux   *Mux
	hosts []string
}

// NewAdmin returns an Admin for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewAdmin(cfg AdminConfig) (*Admin, error) {
	bad := conferr.For("server.AdminConfig")
	a := &Admin{mux: NewMux(), hosts: []string{"localhost"}}
	if cfg.Health == nil {
		bad.Add("Health", rampart.ReasonMissing, nil, "give what NewHealth returns")
	} else {
		a.mux.Handle("GET /livez", cfg.Health.Live())
		a.mux.Handle("GET /readyz", cfg.Health.Ready())
		a.mux.Handle("GET /health", cfg.Health.Detail())
	}
	if cfg.Metrics != nil {
		a.mux.Handle("GET /metrics", cfg.Metrics)
	}
	for _, path := range slices.Sorted(maps.Keys(cfg.Handlers)) {
		h := cfg.Handlers[path]
		if h == nil {
			bad.Add("Handlers", rampart.ReasonMissing, path, "give each path a handler")
			continue
		}
		bad.If(!a.handle(path, h), "Handlers", rampart.ReasonInvalid, path, `a path such as "/debug/pprof/", other than those of Health and Metrics`)
	}
	for _, host := range cfg.Hosts {
		bad.If(host == "" || strings.ContainsAny(host, ":/* "), "Hosts", rampart.ReasonInvalid, host, `write a name such as "node1.internal", without a port`)
		a.hosts = append(a.hosts, strings.ToLower(host))
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return a, nil
}

// handle reports whether the mux takes path.
func (a *Admin) handle(path string, h http.Handler) (ok bool) {
	defer func() { _ = recover() }() // it panics on what it does not take
	a.mux.Handle("GET "+path, h)
	return strings.HasPrefix(path, "/") // else it is a host's
}

// ServeHTTP implements [http.Handler].
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cross-Origin-Resource-Policy", "same-origin") // a page may not embed it
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case !a.knows(r.Host):
		(&rampart.Problem{Status: http.StatusMisdirectedRequest, Code: "bad_host", Detail: "Bad host."}).Write(w)
	case site != "" && site != "none" && site != "same-origin":
		(&rampart.Problem{Status: http.StatusForbidden, Code: "cross_site", Detail: "Not for pages of other sites."}).Write(w)
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// knows reports whether no foreign site can have the Host of a request for its own.
func (a *Admin) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.mux != nil {
		return true
	}
	return slices.Contains(a.hosts, strings.ToLower(strings.TrimSuffix(host, ".")))
}
