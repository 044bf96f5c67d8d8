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
	c.checkSandbox(add, reportOnly)
	c.checkTrustedTypes(add)
	add(c.UpgradeInsecureRequests && reportOnly, "UpgradeInsecureRequests", rampart.ReasonPointless, nil, wantEnforced) // Upgrade Insecure Requests section 3.1
	add(c.WebRTC != "" && c.WebRTC != "'allow'" && c.WebRTC != "'block'", "WebRTC", rampart.ReasonInvalid, c.WebRTC, "use \"'allow'\" or \"'block'\", with the single quotes")
	for _, u := range c.ReportURI {
		add(!isReportURL(u), "ReportURI", rampart.ReasonInvalid, u, wantReportURL)
	}
	_, known := endpoints[c.ReportTo]
	add(c.ReportTo != "" && !known, "ReportTo", rampart.ReasonConflict, c.ReportTo, wantEndpoint)
}

func (c *CSP) checkSandbox(add addFunc, reportOnly bool) {
	for i, t := range c.Sandbox {
		add(!isSandboxToken(t), "Sandbox", rampart.ReasonInvalid, t, `use a token of the HTML standard, such as "allow-forms"`)
		add(slices.Contains(c.Sandbox[:i], t), "Sandbox", rampart.ReasonDuplicate, t, conferr.WantOnce)
	}
	add(c.Sandbox != nil && reportOnly, "Sandbox", rampart.ReasonPointless, nil, wantEnforced) // CSP Level 3 section 6.3.2
}

func (c *CSP) checkTrustedTypes(add addFunc) {
	add(c.TrustedTypes != nil && len(c.TrustedTypes) == 0, "TrustedTypes", rampart.ReasonInvalid, nil, "name the policies that may be made, or use \"'none'\"")
	for i, name := range c.TrustedTypes {
		add(name != "*" && name != "'none'" && name != "'allow-duplicates'" && !isPolicyName(name), "TrustedTypes", rampart.ReasonInvalid, name,
			"a policy name is one word of letters, digits and -#=_/@.%, or * for any; keywords are 'none' and 'allow-duplicates', with their quotes")
		add(slices.Contains(c.TrustedTypes[:i], name), "TrustedTypes", rampart.ReasonDuplicate, name, conferr.WantOnce)
		add(name == "*" && slices.ContainsFunc(c.TrustedTypes, isPolicyName), "TrustedTypes", rampart.ReasonConflict, name, "* stands for every name; remove it or the names")
	}
	add(len(c.TrustedTypes) > 1 && slices.Contains(c.TrustedTypes, "'none'"), "TrustedTypes", rampart.ReasonConflict, "'none'", wantNoneAlone)
}

const (
	wantEnforced  = "browsers ignore it in a report-only policy; set it in CSP"
	wantNoneAlone = "'none' stands alone; remove it or the others"
	wantReportURL = "use an https URL or a path of this server, without a fragment or userinfo"
	wantSource    = "a source is scheme:, [scheme://]host[:port][/path], or a keyword in single quotes"
)

// checkList checks one source list.
func (c *CSP) checkList(d directive, add addFunc) {
	add(d.sources != nil && len(d.sources) == 0, d.field, rampart.ReasonMissing, nil, "list a source; []Source{None} allows nothing, nil falls back to Default")
	for i, s := range d.sources {
		reason, want := c.checkSource(d.name, s)
		add(reason != "", d.field, reason, s, want)
		add(slices.Contains(d.sources[:i], s), d.field, rampart.ReasonDuplicate, s, conferr.WantOnce)
	}
	// CSP Level 3 section 6.7.2.5: beside others 'none' means nothing.
	add(contains(d.sources, None) && len(d.sources) > 1, d.field, rampart.ReasonConflict, None, wantNoneAlone)
	add(contains(d.sources, StrictDynamic) && !slices.ContainsFunc(d.sources, isNonceOrHash), d.field, rampart.ReasonConflict, StrictDynamic,
		"no script would run; add WithNonce or a hash")
	add(contains(d.sources, TrustedTypesEval) && !c.RequireTrustedTypes, d.field, rampart.ReasonPointless, TrustedTypesEval, "it needs RequireTrustedTypes")
	for _, s := range []Source{ReportSHA256, ReportSHA384, ReportSHA512} {
		add(contains(d.sources, s) && c.ReportTo == "", d.field, rampart.ReasonPointless, s, "hashes are reported to ReportTo only; name an endpoint there")
	}
}

// checkSource returns what is wrong with one source of a directive, if anything,
// and what would be right.
func (c *CSP) checkSource(directive string, s Source) (reason rampart.Reason, want string) {
	switch home := directivesFor(s); {
	case s == None || s == Self:
		return "", ""
	case home == nil:
		return checkText(string(s))
	case !slices.Contains(home, directive):
		return rampart.ReasonPointless, "it has a meaning only in " + strings.Join(home, ", ")
	case s == UnsafeInline && !c.DangerouslyUnsafeInline:
		return rampart.ReasonUnsafe, "use WithNonce or a hash, or read what DangerouslyUnsafeInline says"
	case s == UnsafeEval && !c.DangerouslyUnsafeEval:
		return rampart.ReasonUnsafe, "use code that needs no eval, or read what DangerouslyUnsafeEval says"
	}
	return "", ""
}

// directivesFor returns in which directives a keyword, a nonce or a hash means
// something (CSP Level 3 sections 6.1 and 6.7); nil for any other source. An
// attribute has no nonce, and a worker or plugin is judged by its URL alone.
func directivesFor(s Source) []string {
	code := []string{"default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem", "style-src-attr"}
	switch s {
	case ReportSample, UnsafeInline:
		return code
	case UnsafeHashes: // for handlers, style attributes and javascript: URLs
		return []string{"default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-attr"}
	case WithNonce:
		return []string{"default-src", "script-src", "script-src-elem", "style-src", "style-src-elem"}
	case StrictDynamic, ReportSHA256, ReportSHA384, ReportSHA512:
		return []string{"default-src", "script-src", "script-src-elem"}
	case SpeculationRules: // Chromium ignores it elsewhere, and prints a line
		return []string{"script-src", "script-src-elem"}
	case UnsafeEval: // in style-src for the functions of CSSOM
		return []string{"default-src", "script-src", "style-src"}
	case WASMUnsafeEval, TrustedTypesEval:
		return []string{"default-src", "script-src"}
	case UnsafeWebTransportHashes:
		return []string{"default-src", "connect-src"}
	default:
		if isHash(s) {
			return code
		}
		return nil
	}
}

// checkText is [CSP.checkSource] for hosts, schemes and what is no source at all.
func checkText(s string) (reason rampart.Reason, want string) {
	switch {
	case strings.HasPrefix(s, "'"): // a constant nonce too: every reader of a page knows it
		return rampart.ReasonInvalid, "use a keyword of this package, such as Self, WithNonce for a nonce, or a hash in base64 with padding"
	case isBareKeyword(s):
		return rampart.ReasonInvalid, "a keyword has single quotes, as in 'self'; use the constants of this package, such as headers.Self"
	case obsolete(s) != "":
		return rampart.ReasonInvalid, "browsers have dropped this directive; " + obsolete(s)
	case isDirective(s):
		return rampart.ReasonInvalid, "it is a directive, which browsers would take for a host here; use its field of CSP"
	case !isHostOrScheme(s):
		return rampart.ReasonInvalid, wantSource
	}
	return "", ""
}

// obsolete returns what to use in place of a directive that browsers have
// dropped; "" for any other name.
func obsolete(directive string) string {
	switch directive {
	case "block-all-mixed-content":
		return "they block mixed content without it, and UpgradeInsecureRequests has it loaded over https"
	case "disown-opener":
		return "use Config.OpenerPolicy"
	case "navigate-to":
		return "use FormAction for forms; nothing limits where links lead"
	case "plugin-types":
		return "use None in Object"
	case "prefetch-src":
		return "Default holds for prefetches"
	case "referrer":
		return "use Config.ReferrerPolicy"
	case "reflected-xss":
		return "a policy without UnsafeInline does its work"
	case "require-sri-for":
		return "put the header Integrity-Policy into Config.Extra"
	}
	return ""
}

// isDirective reports whether s is the name of a directive that has a field.
func isDirective(s string) bool {
	switch s {
	case "sandbox", "trusted-types", "require-trusted-types-for", "upgrade-insecure-requests", "report-to", "report-uri", "webrtc":
		return true
	}
	return slices.ContainsFunc(new(CSP).directives(), func(d directive) bool { return d.name == s })
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
	switch quoted := Source("'" + s + "'"); quoted {
	case None, Self:
		return true
	default:
		return directivesFor(quoted) != nil
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

// isSandboxToken follows the HTML standard, "parse a sandboxing directive", and
// two proposals that Chromium has: Storage Access and SameSite=None cookies.
func isSandboxToken(s string) bool {
	switch s {
	case "allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock", "allow-pointer-lock", "allow-popups",
		"allow-popups-to-escape-sandbox", "allow-presentation", "allow-same-origin", "allow-scripts",
		"allow-same-site-none-cookies", "allow-storage-access-by-user-activation",
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
