package headers

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/request"
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

	openerReportOnlyHeader   = "Cross-Origin-Opener-Policy-Report-Only"
	embedderReportOnlyHeader = "Cross-Origin-Embedder-Policy-Report-Only"
	resourceHeader           = "Cross-Origin-Resource-Policy"
	cacheHeader              = "Cache-Control"
)

// inline is how many values of a set a request carries without a further
// allocation: those of the presets.
const inline = 12

// A set is a compiled header set. It is never changed.
type set struct {
	https   bool
	onHTTP  *set     // for http; nil if this is it
	entries []entry  // those for https only are at the end
	remove  []string // canonical

	kind    request.Kind
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
	for _, e := range []entry{
		{openerReportOnlyHeader, cfg.OpenerPolicyReportOnly, false},
		{embedderReportOnlyHeader, cfg.EmbedderPolicyReportOnly, false},
		{cacheHeader, cfg.CacheControl, false},
	} {
		if unlessOff(e.value) != "" {
			s.entries = append(s.entries, e)
		}
	}
	if len(cfg.ReportingEndpoints) > 0 {
		add(endpointsHeader, renderEndpoints(cfg.ReportingEndpoints), true)
	}
	for _, name := range sortedKeys(cfg.Extra) {
		add(canonical(name), cfg.Extra[name], true)
	}
	onHTTP := len(s.entries)
	for _, name := range slices.Sorted(maps.Keys(overHTTPS)) {
		if _, both := overHTTP[name]; !both {
			add(name, overHTTPS.Get(name), false)
		}
	}
	for _, name := range cfg.Remove {
		s.remove = append(s.remove, canonical(name))
	}
	s.index()
	plain := *s
	plain.entries, plain.onHTTP = s.entries[:onHTTP], nil
	s.https, s.onHTTP = true, &plain
	return s, nil
}

// belongTo makes s one of owner's.
func (s *set) belongTo(owner *Headers, cookies *cookieRules) {
	for _, s := range [...]*set{s, s.onHTTP} {
		s.owner, s.cookies = owner, cookies
	}
}

// over returns the set of responses over the scheme.
func (s *set) over(https bool) *set {
	if https {
		return s
	}
	return s.onHTTP
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

// index fills in what the looks at a response's header go by.
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
	s.kind = request.Headers
	if slices.ContainsFunc(guarded, request.IsUsual) {
		s.kind |= request.Loud
	}
}

func renderEndpoints(endpoints map[string]string) string {
	var members []string
	for _, name := range sortedKeys(endpoints) {
		members = append(members, name+`="`+endpoints[name]+`"`)
	}
	return strings.Join(members, ", ")
}
