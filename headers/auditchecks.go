package headers

import (
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/internal/token"
)

// examine looks at one response. what says in a message which one it is.
func (a *audit) examine(path, what string, got *sent, https bool) {
	if got.panicked {
		a.find("panic", SeverityError, "", path, "the handler panicked on the request for %s", what)
	}
	a.examineSet(path, what, got)
	if https {
		a.examineHSTS(path, what, got)
	}
	a.examineCSP(path, what, got)
	for _, line := range got.header["Set-Cookie"] {
		a.examineCookie(path, line, got, https)
	}
	for _, name := range []string{"Server", "X-Powered-By", "X-Aspnet-Version", "X-Aspnetmvc-Version"} {
		if value := got.header.Get(name); value != "" {
			a.find("leak", SeverityWarn, "", path, "%s tells what runs here: %s: %q", what, name, value)
		}
	}
	if got.size > 0 && got.header.Get("Content-Type") == "" && got.header.Get("Content-Encoding") == "" {
		a.find("content-type", SeverityWarn, "", path, "%s has a body without Content-Type, so the server guesses one", what)
	}
}

func (a *audit) examineSet(path, what string, got *sent) {
	h := got.header
	for _, name := range []string{
		hstsHeader, frameHeader, referrerHeader, openerHeader, embedderHeader, resourceHeader, permissionsHeader, cacheHeader,
		"X-Content-Type-Options", "X-Xss-Protection", "Content-Type", "Location",
	} {
		if len(h[name]) > 1 {
			a.find("doubled", SeverityError, "", path, "%s has %d lines of %s; which one counts differs from browser to browser", what, len(h[name]), name)
		}
	}
	if !text.EqualFold(h.Get("X-Content-Type-Options"), "nosniff") {
		a.find("nosniff", SeverityWarn, "security.W006", path, "%s lacks X-Content-Type-Options: nosniff", what)
	}
	frame := strings.ToUpper(h.Get(frameHeader))
	framed := strings.Contains(h.Get(cspHeader), "frame-ancestors")
	switch {
	case frame == "" && !framed:
		a.find("frames", SeverityWarn, "security.W019", path, "%s can be framed by any page", what)
	case frame == "SAMEORIGIN":
		a.find("frames", SeverityInfo, "security.W019", path, "%s can be framed by pages of its own origin", what)
	}
	switch referrer := strings.ToLower(h.Get(referrerHeader)); {
	case referrer == "":
		a.find("referrer", SeverityWarn, "security.W022", path, "%s lacks Referrer-Policy", what)
	case strings.HasSuffix(referrer, "unsafe-url"), strings.HasSuffix(referrer, "no-referrer-when-downgrade"),
		referrer == "origin-when-cross-origin", referrer == "origin":
		a.find("referrer-unsafe", SeverityWarn, "security.W022", path, "%s sends its address to other origins or over plain http: %s", what, referrer)
	}
	isPage := strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "text/html")
	if opener := h.Get(openerHeader); isPage && (opener == "" || strings.HasPrefix(opener, "unsafe-none")) {
		a.find("opener", SeverityWarn, "security.E024", path, "%s is a page that shares its window's group with other origins: no Cross-Origin-Opener-Policy", what)
	}
}

func (a *audit) examineHSTS(path, what string, got *sent) {
	hsts := strings.ToLower(got.header.Get(hstsHeader))
	seconds := 0
	for part := range strings.SplitSeq(hsts, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			seconds, _ = strconv.Atoi(strings.Trim(value, `"`))
		}
	}
	switch {
	case seconds == 0:
		a.find("hsts", SeverityWarn, "security.W004", path, "%s lacks Strict-Transport-Security", what)
		return
	case seconds < 180*24*60*60:
		a.find("hsts-short", SeverityWarn, "security.W004", path, "%s: Strict-Transport-Security holds for less than 180 days", what)
	}
	if !strings.Contains(hsts, "includesubdomains") {
		a.find("hsts-subdomains", SeverityWarn, "security.W005", path, "%s: Strict-Transport-Security leaves out subdomains", what)
	}
	if !strings.Contains(hsts, "preload") {
		a.find("hsts-preload", SeverityInfo, "security.W021", path, "%s: Strict-Transport-Security does not ask for preloading", what)
	}
}

// examineCSP looks at the policy as sent, which a handler may have replaced.
func (a *audit) examineCSP(path, what string, got *sent) {
	lines := got.header[cspHeader]
	if len(lines) == 0 {
		if got.status != 304 { // a nonce policy is left out there on purpose
			a.find("csp", SeverityWarn, "", path, "%s lacks Content-Security-Policy", what)
		}
		return
	}
	if len(lines) > 1 {
		return // each is enforced: what one of them lets pass proves nothing
	}
	directives := parseCSP(lines[0])
	for _, name := range sortedKeys(directives) {
		sources := directives[name]
		if want := obsolete(name); want != "" {
			a.find("csp-obsolete", SeverityInfo, "", path, "%s: browsers have dropped the directive %s: %s", what, name, want)
		}
		code := name == "default-src" || name == "object-src" || strings.HasPrefix(name, "script-src")
		guarded := strings.Contains(sources, "'nonce-") || strings.Contains(sources, "'sha")
		for source := range strings.FieldsSeq(sources) {
			switch lower := strings.ToLower(source); {
			case lower == "'unsafe-inline'" && code && !guarded:
				a.find("csp-unsafe-inline", SeverityError, "", path, "%s: %s admits injected scripts: 'unsafe-inline'", what, name)
			case lower == "'unsafe-inline'" && !guarded:
				a.find("csp-unsafe-inline-style", SeverityInfo, "", path, "%s: %s admits injected styles: 'unsafe-inline'", what, name)
			case lower == "'unsafe-eval'":
				a.find("csp-unsafe-eval", SeverityWarn, "", path, "%s: %s turns text into code: 'unsafe-eval'", what, name)
			case code && tooWideForCode(Source(source), strings.Contains(sources, "'strict-dynamic'")):
				a.find("csp-wide", SeverityError, "", path, "%s: %s admits anybody's code: %s", what, name, source)
			}
		}
	}
}

// parseCSP cuts a policy into directives; of two of a name the first counts
// (CSP Level 3 section 2.2.1).
func parseCSP(policy string) map[string]string {
	directives := make(map[string]string)
	for part := range strings.SplitSeq(policy, ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(part), " ")
		name = strings.ToLower(name)
		if _, again := directives[name]; name != "" && !again {
			directives[name] = sources
		}
	}
	return directives
}

// examineCookie looks at a cookie as sent.
func (a *audit) examineCookie(path, line string, got *sent, https bool) {
	s := parseSetCookie(line)
	secureID, httpOnlyID := "security.W012", "security.W015"
	if strings.Contains(strings.ToLower(s.name), "csrf") {
		secureID, httpOnlyID = "security.W016", "security.W017"
	}
	if _, ok := s.get("secure"); !ok && https {
		a.find("cookie-secure", SeverityError, secureID, path, "the cookie %q goes over plain http too: no Secure", s.name)
	}
	if _, ok := s.get("httponly"); !ok {
		severity := SeverityWarn
		for _, name := range a.cfg.Cookies.ScriptReadable {
			if name == s.name || a.cfg.Cookies.Prefix[name]+name == s.name {
				severity = SeverityInfo // asked for
			}
		}
		a.find("cookie-httponly", severity, httpOnlyID, path, "scripts can read the cookie %q: no HttpOnly", s.name)
	}
	switch value, _ := s.get("samesite"); parseStrictness(value) {
	case strictnessMissing:
		a.find("cookie-samesite", SeverityWarn, "", path, "the cookie %q has no SameSite", s.name)
	case strictnessNone:
		a.find("cookie-samesite", SeverityInfo, "", path, "the cookie %q is sent with requests from other sites: SameSite=None", s.name)
	}
	if cache := got.header[cacheHeader]; !token.Listed(cache, "no-store") && !token.Listed(cache, "private") {
		a.find("cookie-cached", SeverityWarn, "", path, "a shared cache may store the answer with the cookie %q: no Cache-Control: no-store", s.name)
	}
}
