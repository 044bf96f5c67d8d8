package headers

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Canonical names of headers that the code speaks of.
const (
	cspHeader           = "Content-Security-Policy"
	cspReportOnlyHeader = "Content-Security-Policy-Report-Only"
	permissionsHeader   = "Permissions-Policy"
	endpointsHeader     = "Reporting-Endpoints"
	hstsHeader          = "Strict-Transport-Security"
	frameHeader         = "X-Frame-Options"
	referrerHeader      = "Referrer-Policy"
	openerHeader        = "Cross-Origin-Opener-Policy"
	embedderHeader      = "Cross-Origin-Embedder-Policy"
	resourceHeader      = "Cross-Origin-Resource-Policy"
	cacheHeader         = "Cache-Control"
)

// inline is how many values of a set a request carries without a further
// allocation: those of the presets.
const inline = 12

// A set is a compiled header set. It is never changed.
type set struct {
	entries []entry  // those for https answers only are at the end
	onHTTP  int      // how many go out over http
	remove  []string // canonical

	csp, cspReportOnly cspText
	nonced             bool    // either of them has a nonce
	noNonce            *string // points to ""

	owner   *Headers
	cookies *cookieRules
}

type entry struct {
	name, value string
	list        bool // several lines are one value, or add up
}

// newSet compiles the fixed headers of cfg, whose blanks are filled in.
func newSet(cfg *Config) (*set, error) {
	overHTTP, overHTTPS, err := compile(cfg)
	if err != nil {
		return nil, err
	}
	s := &set{csp: cfg.CSP.render(), cspReportOnly: cfg.CSPReportOnly.render(), noNonce: new(string)}
	s.nonced = s.csp.pieces != nil || s.cspReportOnly.pieces != nil

	add := func(name, value string, list bool) {
		s.entries = append(s.entries, entry{name, value, list})
	}
	for _, name := range slices.Sorted(maps.Keys(overHTTP)) {
		// Each policy of a CSP is enforced, so another line only tightens.
		add(name, overHTTP.Get(name), name == cspHeader || name == cspReportOnlyHeader)
	}
	add("Origin-Agent-Cluster", "?1", false)
	if cfg.CacheControl != Off {
		add(cacheHeader, cfg.CacheControl, false)
	}
	if len(cfg.ReportingEndpoints) > 0 {
		add(endpointsHeader, renderEndpoints(cfg.ReportingEndpoints), true)
	}
	for _, name := range sortedKeys(cfg.Extra) {
		add(canonical(name), cfg.Extra[name], true)
	}
	s.onHTTP = len(s.entries)
	for _, name := range slices.Sorted(maps.Keys(overHTTPS)) {
		if _, both := overHTTP[name]; !both {
			add(name, overHTTPS.Get(name), false)
		}
	}
	for _, name := range cfg.Remove {
		s.remove = append(s.remove, canonical(name))
	}
	return s, nil
}

// over returns the entries that go out over the scheme.
func (s *set) over(https bool) []entry {
	if https {
		return s.entries
	}
	return s.entries[:s.onHTTP]
}

// complete puts back what is missing, and makes two values of a single-value
// header ours.
func (s *set) complete(h http.Header, https, hinted bool) {
	entries := s.over(https)
	wiped := hinted && !slices.ContainsFunc(entries, func(e entry) bool { return slices.Contains(h[e.name], e.value) })
	for _, e := range entries {
		got := h[e.name]
		switch {
		case wiped && e.list:
			// httputil.ReverseProxy cleared the map after a backend's 1xx and
			// added the backend's headers, which elsewhere stand beside ours.
			h[e.name] = append([]string{e.value}, got...)
		case wiped, len(got) == 0, len(got) == 1 && got[0] == "", len(got) > 1 && !e.list:
			h[e.name] = []string{e.value}
		}
	}
}

// finds says whether h, which holds every entry, also holds a header that must
// be removed or tightened. Most answers add a Content-Type and no more.
func (s *set) finds(h http.Header, https bool) bool {
	others := len(h) - len(s.over(https))
	if _, ok := h["Content-Type"]; ok {
		others--
	}
	if others == 0 {
		return false
	}
	for _, name := range s.remove {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return len(h["Set-Cookie"]) > 0
}

func renderEndpoints(endpoints map[string]string) string {
	var members []string
	for _, name := range sortedKeys(endpoints) {
		members = append(members, name+`="`+endpoints[name]+`"`)
	}
	return strings.Join(members, ", ")
}
