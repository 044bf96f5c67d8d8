package headers

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
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

	usual   []string   // neither entries nor removed, and on most answers
	guarded [][]string // entries, removed headers and Set-Cookie, by length

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
	s.index()
	return s, nil
}

// over returns the entries that go out over the scheme.
func (s *set) over(https bool) []entry {
	if https {
		return s.entries
	}
	return s.entries[:s.onHTTP]
}

// beside reports whether h, which holds every entry, also holds cookies, and
// strangers: headers that are not known to be in order. Most answers add a
// Content-Type and no more.
func (s *set) beside(h http.Header, https bool) (strangers, cookies bool) {
	others := len(h) - len(s.over(https))
	if _, ok := h["Content-Type"]; ok {
		others--
	}
	if others == 0 {
		return false, false
	}
	for _, name := range s.usual {
		if _, ok := h[name]; ok {
			others--
			cookies = cookies || name == "Set-Cookie"
		}
		if others == 0 {
			break
		}
	}
	return others != 0, cookies
}

// fold gives guarded headers whose names are in other letters, as net/http
// would send them, the name that they are looked up by. It reports whether there
// was one.
func (s *set) fold(h http.Header) (found bool) {
	for name, lines := range h {
		if proper, other := s.respell(name); other {
			delete(h, name)
			h[proper] = append(slices.Clip(h[proper]), lines...)
			found = true
		}
	}
	return found
}

// respell returns the guarded name that name is in other letters. Length and
// equality, which is quick for one and the same string, settle most of them.
func (s *set) respell(name string) (proper string, other bool) {
	if len(name) >= len(s.guarded) {
		return "", false
	}
	if slices.Contains(s.guarded[len(name)], name) {
		return "", false
	}
	for _, proper := range s.guarded[len(name)] {
		if text.EqualFold(name, proper) {
			return proper, true
		}
	}
	return "", false
}

// index fills in what the looks at an answer's header go by.
func (s *set) index() {
	guarded := append([]string{"Set-Cookie"}, s.remove...)
	for _, e := range s.entries {
		guarded = append(guarded, e.name)
	}
	for _, name := range guarded {
		for len(s.guarded) <= len(name) {
			s.guarded = append(s.guarded, nil)
		}
		s.guarded[len(name)] = append(s.guarded[len(name)], name)
	}
	// What most answers carry beside the set, Content-Type apart: headers of this
	// module's layers and of net/http's helpers. Counting them off spares the
	// search for strangers.
	for _, name := range [...]string{
		"X-Request-Id", "Vary", cacheHeader, "Ratelimit", "Ratelimit-Policy", "Content-Length", "Set-Cookie",
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Location", "Etag", "Last-Modified",
	} {
		if name == "Set-Cookie" || !slices.Contains(guarded, name) {
			s.usual = append(s.usual, name)
		}
	}
}

func renderEndpoints(endpoints map[string]string) string {
	var members []string
	for _, name := range sortedKeys(endpoints) {
		members = append(members, name+`="`+endpoints[name]+`"`)
	}
	return strings.Join(members, ", ")
}
