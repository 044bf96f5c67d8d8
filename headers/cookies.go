package headers

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/internal/token"
)

// Cookies configures how the cookies of every response are hardened. A cookie is
// only ever tightened: Secure (over https), HttpOnly and SameSite=Lax are
// added where they are missing, deletions included; its value, its unknown
// attributes and their order stay as they are, byte for byte. A cookie that
// browsers would drop is repaired where that tightens it, else it is left
// alone and reported once, as the event sys_cookie_dropped.
//
// Over plain http no Secure is added, for the browser would drop the cookie.
type Cookies struct {
	_ [0]func() // no comparison, no unkeyed literals

	// ScriptReadable names the cookies that go out without HttpOnly unless the
	// handler sets it: those that scripts must read, such as "csrftoken".
	ScriptReadable []string

	// SameSite holds, by name, the least strict value that a cookie may have;
	// for a cookie without the attribute it is the value. http.SameSiteNoneMode
	// takes effect over https only, where Secure goes with it.
	SameSite map[string]http.SameSite

	// Prefix maps a cookie's name to the prefix under which browsers store it:
	// "__Host-", "__Secure-", "__Http-" or "__Host-Http-". Over https the cookie
	// is renamed on its way out and back on its way in, and one that a client
	// sends under the bare name, as a sibling host can plant it, is dropped.
	Prefix map[string]string

	// Off leaves cookies alone.
	Off bool
}

// cookieRules is a compiled Cookies.
type cookieRules struct {
	off      bool
	readable map[string]bool
	sameSite map[string]int    // strictness
	prefix   map[string]string // bare name -> prefix
	bare     map[string]string // prefixed name -> bare name
	reporter *rampart.Reporter

	mu       sync.Mutex
	reported map[string]bool // names, at most maxReported
}

// maxReported bounds how many cookies are remembered as reported: names are
// constants of the code, but a backend may make them up.
const maxReported = 64

func newCookieRules(c Cookies, bad *conferr.Mistakes) *cookieRules {
	r := &cookieRules{
		off: c.Off, readable: map[string]bool{}, sameSite: map[string]int{}, prefix: maps.Clone(c.Prefix),
		bare: map[string]string{}, reported: map[string]bool{},
	}
	bad.If(c.Off && len(c.ScriptReadable)+len(c.SameSite)+len(c.Prefix) > 0, "Cookies.Off", rampart.ReasonConflict, nil,
		"Off leaves all cookies alone; leave ScriptReadable, SameSite and Prefix empty, or Off false")
	for _, name := range c.ScriptReadable {
		bad.If(!token.Valid(name), "Cookies.ScriptReadable", rampart.ReasonInvalid, name, wantCookie)
		r.readable[name], r.readable[c.Prefix[name]+name] = true, true
	}
	for _, name := range sortedKeys(c.SameSite) {
		strictness, ok := strictnessOf(c.SameSite[name])
		bad.If(!token.Valid(name) || !ok, "Cookies.SameSite", rampart.ReasonInvalid, name,
			"map the cookie's name to http.SameSiteLaxMode, SameSiteStrictMode or SameSiteNoneMode")
		r.sameSite[name], r.sameSite[c.Prefix[name]+name] = strictness, strictness
	}
	for _, name := range sortedKeys(c.Prefix) {
		prefix := c.Prefix[name]
		switch {
		case !token.Valid(name) || prefixOf(name) != "":
			bad.Add("Cookies.Prefix", rampart.ReasonInvalid, name, wantCookie+", without the prefix")
		case !slices.Contains([]string{"__Host-", "__Secure-", "__Http-", "__Host-Http-"}, prefix):
			bad.Add("Cookies.Prefix", rampart.ReasonInvalid, prefix, `a prefix is "__Host-", "__Secure-", "__Http-" or "__Host-Http-"`)
		case strings.HasSuffix(prefix, "Http-") && r.readable[name]:
			bad.Add("Cookies.Prefix", rampart.ReasonConflict, name, `scripts never see a cookie with a prefix in Http-; use "__Host-", or remove the cookie from ScriptReadable`)
		}
		r.bare[prefix+name] = name
	}
	return r
}

// renames reports whether requests of the scheme need [cookieRules.incoming].
// Browsers store no prefixed cookie over plain http.
func (c *cookieRules) renames(https bool) bool { return https && len(c.prefix) > 0 }

// incoming returns a copy of h in which prefixed cookies have their bare names
// and cookies that came under a bare name are missing. The caller's map, which
// outer layers see, is not touched.
func (c *cookieRules) incoming(h http.Header) http.Header {
	if len(h["Cookie"]) == 0 {
		return h
	}
	var lines []string
	for _, line := range h["Cookie"] {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.Trim(pair, " \t")
			name, value, valued := strings.Cut(pair, "=")
			name = strings.TrimRight(name, " \t") // as net/http reads it
			bare, prefixed := c.bare[name]
			switch _, planted := c.prefix[name]; {
			case planted, pair == "":
			case prefixed && valued:
				kept = append(kept, bare+"="+value)
			default:
				kept = append(kept, pair)
			}
		}
		if len(kept) > 0 {
			lines = append(lines, strings.Join(kept, "; "))
		}
	}
	h = maps.Clone(h)
	delete(h, "Cookie")
	if len(lines) > 0 {
		h["Cookie"] = lines
	}
	return h
}

// outgoing hardens every cookie of the response through w.
func (c *cookieRules) outgoing(w *request.Writer, h http.Header, https bool) {
	if c.off {
		return
	}
	lines := h["Set-Cookie"]
	if !slices.ContainsFunc(lines, func(line string) bool { return !c.fine(line, https) }) {
		return
	}
	hardened := make([]string, len(lines)) // not in place: the slice may be shared
	for i, line := range lines {
		s := parseSetCookie(line)
		c.harden(s, https)
		hardened[i] = s.String()
		if flaw := s.flaw(https, w.In.Host); flaw != "" {
			c.report(w.Context(), s.name, flaw)
		}
	}
	h["Set-Cookie"] = hardened
}

// fine reports whether a line is at first sight as harden would leave it, without a
// flaw: the usual session cookie, which is not taken apart then.
func (c *cookieRules) fine(line string, https bool) bool {
	if !https || len(c.sameSite)+len(c.prefix) > 0 || len(line) > 1024 || hasControl(line) {
		return false
	}
	pair, attributes, _ := strings.Cut(line, ";")
	name, _, named := strings.Cut(pair, "=")
	if name = trim(name); !named || name == "" || prefixOf(name) != "" {
		return false
	}
	secure, httpOnly, sameSite := false, false, false
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		switch name = trim(name); {
		case text.EqualFold(name, "secure"):
			secure = true
		case text.EqualFold(name, "httponly"):
			httpOnly = true
		case text.EqualFold(name, "samesite"):
			sameSite = text.EqualFold(trim(value), "lax") || text.EqualFold(trim(value), "strict")
		case text.EqualFold(name, "domain"):
			return false
		}
	}
	return secure && httpOnly && sameSite
}

func (c *cookieRules) report(ctx context.Context, name, flaw string) {
	c.mu.Lock()
	known := c.reported[name] || len(c.reported) == maxReported
	if !known {
		c.reported[name] = true
	}
	c.mu.Unlock()
	if !known {
		c.reporter.Report(ctx, rampart.SysCookieDropped, name, rampart.Text("cookie", name), rampart.Text("reason", flaw))
	}
}

// harden tightens one cookie.
func (c *cookieRules) harden(s *setCookie, https bool) {
	floor, configured := c.sameSite[s.name]
	readable := c.readable[s.name]
	if prefix := c.prefix[s.name]; https && prefix != "" {
		s.rename(prefix)
	}
	prefix := prefixOf(s.name)
	if strings.HasPrefix(prefix, "__host-") {
		s.drop("domain")
		if path, _ := s.get("path"); path != "/" {
			s.set("Path", "/")
		}
	}
	if _, secure := s.get("secure"); https && !secure {
		s.add("Secure")
	}
	if _, httpOnly := s.get("httponly"); !httpOnly && (!readable || strings.HasSuffix(prefix, "http-")) {
		s.add("HttpOnly")
	}
	if !configured {
		floor = strictnessNone
	}
	switch value, _ := s.get("samesite"); {
	case configured && parseStrictness(value) < floor:
		c.setSameSite(s, floor)
	case !configured && parseStrictness(value) < strictnessNone:
		c.setSameSite(s, strictnessLax)
	}
}

// setSameSite sets the attribute; None only where Secure is, without which
// browsers drop the cookie.
func (c *cookieRules) setSameSite(s *setCookie, strictness int) {
	if _, secure := s.get("secure"); strictness == strictnessNone && !secure {
		return
	}
	s.set("SameSite", [...]string{strictnessNone: "None", strictnessLax: "Lax", strictnessStrict: "Strict"}[strictness])
}

// How strict a SameSite value is. What browsers do not know counts as missing.
const (
	strictnessMissing = iota - 1
	strictnessNone
	strictnessLax
	strictnessStrict
)

func parseStrictness(value string) int {
	switch strings.ToLower(value) {
	case "none":
		return strictnessNone
	case "lax":
		return strictnessLax
	case "strict":
		return strictnessStrict
	default:
		return strictnessMissing
	}
}

func strictnessOf(mode http.SameSite) (int, bool) {
	switch mode {
	case http.SameSiteNoneMode:
		return strictnessNone, true
	case http.SameSiteLaxMode:
		return strictnessLax, true
	case http.SameSiteStrictMode:
		return strictnessStrict, true
	default:
		return strictnessMissing, false
	}
}
