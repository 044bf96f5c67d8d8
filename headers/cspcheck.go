package headers

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

func contains(list []Source, s Source) bool { return slices.Contains(list, s) }

// An addFunc adds a mistake in a directive if bad is true.
type addFunc func(bad bool, directive string, reason rampart.Reason, value any, want string)

// check adds every mistake in the policy to m. field is the Config's field.
func (c *CSP) check(m *conferr.Mistakes, field string, reportOnly bool, endpoints map[string]string) {
	if c == nil {
		return
	}
	add := func(bad bool, directive string, reason rampart.Reason, value any, want string) {
		m.If(bad, field+"."+directive, reason, value, want)
	}
	add(c.Default == nil, "Default", rampart.ReasonMissing, nil, "every other directive falls back to it; begin with []Source{None} or []Source{Self}")
	for _, d := range c.directives() {
		c.checkList(d, add)
	}
	c.checkFallbacks(add)
	for _, t := range c.Sandbox {
		add(!isSandboxToken(t), "Sandbox", rampart.ReasonInvalid, t, `use a token of the HTML standard, such as "allow-forms"`)
	}
	const wantEnforced = "browsers ignore it in a report-only policy; set it in CSP"
	add(c.Sandbox != nil && reportOnly, "Sandbox", rampart.ReasonPointless, nil, wantEnforced)                          // CSP Level 3 section 6.3.2
	add(c.UpgradeInsecureRequests && reportOnly, "UpgradeInsecureRequests", rampart.ReasonPointless, nil, wantEnforced) // Upgrade Insecure Requests section 3.1
	add(c.TrustedTypes != nil && len(c.TrustedTypes) == 0, "TrustedTypes", rampart.ReasonInvalid, nil, "name the policies that may be made, or use \"'none'\"")
	for _, name := range c.TrustedTypes {
		add(name != "'none'" && name != "'allow-duplicates'" && !isPolicyName(name), "TrustedTypes", rampart.ReasonInvalid, name,
			"a policy name is one word of letters, digits and -#=_/@.%; keywords are 'none' and 'allow-duplicates', with their quotes")
	}
	add(len(c.TrustedTypes) > 1 && slices.Contains(c.TrustedTypes, "'none'"), "TrustedTypes", rampart.ReasonConflict, "'none'", wantNoneAlone)
	for _, u := range c.ReportURI {
		add(!isReportURL(u), "ReportURI", rampart.ReasonInvalid, u, wantReportURL)
	}
	_, known := endpoints[c.ReportTo]
	add(c.ReportTo != "" && !known, "ReportTo", rampart.ReasonConflict, c.ReportTo, wantEndpoint)
}

const (
	wantNoneAlone = "'none' stands alone; remove it or the others"
	wantReportURL = "use an https URL or a path of this server, without a fragment or userinfo"
	wantCode      = "it means nothing outside the directives for scripts and styles; remove it"
	wantSource    = "a source is scheme:, [scheme://]host[:port][/path], or a keyword in single quotes"
)

// checkList checks one source list.
func (c *CSP) checkList(d directive, add addFunc) {
	add(d.sources != nil && len(d.sources) == 0, d.field, rampart.ReasonMissing, nil, "list a source; []Source{None} allows nothing, nil falls back to Default")
	for i, s := range d.sources {
		reason, want := c.checkSource(d.kind, s, d.name == "default-src")
		add(reason != "", d.field, reason, s, want)
		add(slices.Contains(d.sources[:i], s), d.field, rampart.ReasonDuplicate, s, conferr.WantOnce)
	}
	// CSP Level 3 section 6.7.2.5: beside others 'none' means nothing.
	add(contains(d.sources, None) && len(d.sources) > 1, d.field, rampart.ReasonConflict, None, wantNoneAlone)
	add(contains(d.sources, StrictDynamic) && !slices.ContainsFunc(d.sources, isNonceOrHash), d.field, rampart.ReasonConflict, StrictDynamic,
		"no script would run; add WithNonce or a hash")
}

// checkSource returns what is wrong with one source, if anything, and what
// would be right.
func (c *CSP) checkSource(kind directiveKind, s Source, isDefault bool) (reason rampart.Reason, want string) {
	codeLike := kind == scriptKind || kind == styleKind || isDefault
	switch s {
	case None, Self:
		return "", ""
	case WithNonce, StrictDynamic, ReportSample, UnsafeHashes, WASMUnsafeEval, SpeculationRules:
		if !codeLike {
			return rampart.ReasonPointless, wantCode
		}
		return "", ""
	case UnsafeInline:
		return dangerous(codeLike, c.DangerouslyUnsafeInline, "use WithNonce or a hash, or read what DangerouslyUnsafeInline says")
	case UnsafeEval:
		return dangerous(codeLike, c.DangerouslyUnsafeEval, "use code that needs no eval, or read what DangerouslyUnsafeEval says")
	default:
		return checkText(s, codeLike)
	}
}

// checkText is [CSP.checkSource] for what is no keyword.
func checkText(s Source, codeLike bool) (reason rampart.Reason, want string) {
	quoted := strings.HasPrefix(string(s), "'")
	switch {
	case quoted && !isHash(s): // a constant nonce too: every reader of a page knows it
		return rampart.ReasonInvalid, "use a keyword of this package, such as Self, WithNonce for a nonce, or a hash in base64 with padding"
	case quoted && !codeLike:
		return rampart.ReasonPointless, wantCode
	case isBareKeyword(string(s)):
		return rampart.ReasonInvalid, "a keyword has single quotes, as in 'self'; use the constants of this package, such as headers.Self"
	case !quoted && !isHostOrScheme(string(s)):
		return rampart.ReasonInvalid, wantSource
	}
	return "", ""
}

func dangerous(codeLike, allowed bool, instead string) (reason rampart.Reason, want string) {
	switch {
	case !codeLike:
		return rampart.ReasonPointless, wantCode
	case !allowed:
		return rampart.ReasonUnsafe, instead
	}
	return "", ""
}

// checkFallbacks finds sources too wide for what may run: scripts, workers and
// plugins, in their own list or in that to which they fall back.
func (c *CSP) checkFallbacks(add addFunc) {
	script, scriptField := c.Script, "Script"
	if script == nil {
		script, scriptField = c.Default, "Default"
	}
	object, objectField := c.Object, "Object"
	if object == nil {
		object, objectField = c.Default, "Default"
	}
	seen := make(map[string]bool)
	for _, list := range []struct {
		field   string
		sources []Source
	}{
		{scriptField, script},
		{"ScriptElem", c.ScriptElem},
		{"ScriptAttr", c.ScriptAttr},
		{"Worker", c.Worker},
		{objectField, object},
	} {
		if seen[list.field] {
			continue
		}
		seen[list.field] = true
		for _, s := range list.sources {
			add(tooWideForCode(s, contains(list.sources, StrictDynamic)), list.field, rampart.ReasonTooWide, s,
				"anybody could provide code; use Self, WithNonce, or https origins of your own")
		}
	}
}

// tooWideForCode reports whether s lets anybody provide code. Beside
// 'strict-dynamic' browsers ignore hosts and schemes (CSP Level 3 section
// 8.2), and "https:" is the usual fallback for those that do not know it.
func tooWideForCode(s Source, strict bool) bool {
	switch l := strings.ToLower(string(s)); {
	case l == "*", l == "data:", l == "http:", l == "ws:", l == "wss:", l == "filesystem:", strings.HasPrefix(l, "http://"):
		return true
	case l == "https:", l == "https://*":
		return !strict
	default:
		return false
	}
}

func isNonceOrHash(s Source) bool { return s == WithNonce || isHash(s) }

// isHash reports whether s is 'sha256-…' with a digest of the right length.
func isHash(s Source) bool {
	body, ok := strings.CutSuffix(string(s), "'")
	if !ok {
		return false
	}
	for prefix, size := range map[string]int{"'sha256-": 32, "'sha384-": 48, "'sha512-": 64} {
		if text, ok := strings.CutPrefix(body, prefix); ok {
			sum, err := base64.StdEncoding.Strict().DecodeString(text)
			return err == nil && len(sum) == size
		}
	}
	return false
}

// isHostOrScheme reports whether s is a scheme-source or a host-source (CSP Level
// 3 section 2.3.1). What unrolled/secure would expand is refused as well.
func isHostOrScheme(s string) bool {
	if s == "" || !isSourceText(s) || strings.Contains(s, "$NONCE") || strings.Contains(s, "%[1]s") {
		return false
	}
	if scheme, ok := strings.CutSuffix(s, ":"); ok {
		return isScheme(scheme)
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if !isScheme(scheme) {
			return false
		}
		s = rest
	}
	host, path := s, ""
	if i := strings.IndexByte(s, '/'); i >= 0 {
		host, path = s[:i], s[i:]
	}
	if strings.ContainsAny(path, "?#") {
		return false
	}
	if _, err := url.PathUnescape(path); err != nil {
		return false
	}
	host, anyPort := strings.CutSuffix(host, ":*")
	if host == "*" {
		return true
	}
	h, ok := parseHost(strings.TrimPrefix(host, "*."))
	if !ok || strings.HasSuffix(host, ".") || anyPort && h.port != "" {
		return false
	}
	return !isBareKeyword(host)
}

// isBareKeyword reports whether s is a keyword without its quotes, which
// browsers take for a host.
func isBareKeyword(s string) bool {
	switch s {
	case "self", "none", "unsafe-inline", "unsafe-eval", "strict-dynamic", "nonce":
		return true
	default:
		return false
	}
}

// isSourceText reports whether s is printable ASCII without what ends a source,
// a directive or a policy, and without quotes.
func isSourceText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ';' || c == ',' || c == '\'' || c == '"' {
			return false
		}
	}
	return true
}

// isScheme follows RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && 'a' <= s[0]|0x20 && s[0]|0x20 <= 'z'
}

// isPolicyName follows tt-policy-name of Trusted Types section 4.3.
func isPolicyName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("-#=_/@.%", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isReportURL admits an https URL or a path of this host.
func isReportURL(s string) bool {
	if !isSourceText(s) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Fragment != "" || u.User != nil {
		return false
	}
	if u.Scheme == "" {
		return u.Host == "" && strings.HasPrefix(s, "/")
	}
	_, ok := parseHost(u.Host)
	return u.Scheme == "https" && ok
}

// isSandboxToken follows the HTML standard, "parse a sandboxing directive".
func isSandboxToken(s string) bool {
	switch s {
	case "allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock", "allow-pointer-lock", "allow-popups",
		"allow-popups-to-escape-sandbox", "allow-presentation", "allow-same-origin", "allow-scripts",
		"allow-top-navigation", "allow-top-navigation-by-user-activation", "allow-top-navigation-to-custom-protocols":
		return true
	default:
		return false
	}
}

// checkEndpoints checks Reporting-Endpoints (Reporting API section 3.3, a
// structured-field dictionary whose members are strings).
func checkEndpoints(bad *conferr.Mistakes, endpoints map[string]string) {
	for _, name := range sortedKeys(endpoints) {
		bad.If(!isFieldKey(name) || !token.Valid(name), "ReportingEndpoints", rampart.ReasonInvalid, name,
			`a name is one word in lower case, such as "csp"`)
		u := endpoints[name]
		bad.If(!isReportURL(u) || strings.Contains(u, `\`), "ReportingEndpoints", rampart.ReasonInvalid, u, wantReportURL)
	}
}
