package headers

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/token"
)

func contains(list []Source, s Source) bool { return slices.Contains(list, s) }

// check returns every mistake in the policy. field is the Config's field.
func (c *CSP) check(field string, reportOnly bool, endpoints map[string]string) []error {
	if c == nil {
		return nil
	}
	var errs []error
	add := func(name, reason, value string) { errs = append(errs, mistake(field+"."+name, reason, value)) }

	if c.Default == nil {
		add("Default", ReasonMissing, "")
	}
	for _, d := range c.directives() {
		c.checkList(d, add)
	}
	c.checkFallbacks(add)
	for _, t := range c.Sandbox {
		if !isSandboxToken(t) {
			add("Sandbox", ReasonInvalid, t)
		}
	}
	if c.Sandbox != nil && reportOnly { // CSP Level 3 section 6.3.2: ignored there
		add("Sandbox", ReasonPointless, "")
	}
	if c.UpgradeInsecureRequests && reportOnly { // Upgrade Insecure Requests section 3.1
		add("UpgradeInsecureRequests", ReasonPointless, "")
	}
	if c.TrustedTypes != nil && len(c.TrustedTypes) == 0 {
		add("TrustedTypes", ReasonInvalid, "")
	}
	for _, name := range c.TrustedTypes {
		if name != "'none'" && name != "'allow-duplicates'" && !isPolicyName(name) {
			add("TrustedTypes", ReasonInvalid, name)
		}
	}
	if len(c.TrustedTypes) > 1 && slices.Contains(c.TrustedTypes, "'none'") {
		add("TrustedTypes", ReasonConflict, "'none'")
	}
	for _, u := range c.ReportURI {
		if !isReportURL(u) {
			add("ReportURI", ReasonInvalid, u)
		}
	}
	if _, known := endpoints[c.ReportTo]; c.ReportTo != "" && !known {
		add("ReportTo", ReasonConflict, c.ReportTo)
	}
	return errs
}

// checkList checks one source list.
func (c *CSP) checkList(d directive, add func(name, reason, value string)) {
	if d.sources != nil && len(d.sources) == 0 {
		add(d.field, ReasonMissing, "")
	}
	for i, s := range d.sources {
		if reason := c.checkSource(d.kind, s, d.name == "default-src"); reason != "" {
			add(d.field, reason, string(s))
		}
		if slices.Contains(d.sources[:i], s) {
			add(d.field, ReasonDuplicate, string(s))
		}
	}
	if contains(d.sources, None) && len(d.sources) > 1 { // CSP Level 3 section 6.7.2.5: then 'none' means nothing
		add(d.field, ReasonConflict, string(None))
	}
	if contains(d.sources, StrictDynamic) && !slices.ContainsFunc(d.sources, isNonceOrHash) {
		add(d.field, ReasonConflict, string(StrictDynamic)) // nothing would run
	}
}

// checkSource returns what is wrong with one source, or "".
func (c *CSP) checkSource(kind directiveKind, s Source, isDefault bool) string {
	codeLike := kind == scriptKind || kind == styleKind || isDefault
	switch s {
	case None, Self:
		return ""
	case WithNonce, StrictDynamic, ReportSample, UnsafeHashes, WASMUnsafeEval, SpeculationRules:
		if !codeLike {
			return ReasonPointless
		}
		return ""
	case UnsafeInline:
		return dangerous(codeLike, c.DangerouslyUnsafeInline)
	case UnsafeEval:
		return dangerous(codeLike, c.DangerouslyUnsafeEval)
	default:
		return checkText(s, codeLike)
	}
}

// checkText is [CSP.checkSource] for what is no keyword.
func checkText(s Source, codeLike bool) string {
	if strings.HasPrefix(string(s), "'") {
		switch {
		case !isHash(s):
			return ReasonInvalid // a constant nonce among them: whoever reads a page knows it
		case !codeLike:
			return ReasonPointless
		}
		return ""
	}
	if !isHostOrScheme(string(s)) {
		return ReasonInvalid
	}
	return ""
}

func dangerous(codeLike, allowed bool) string {
	switch {
	case !codeLike:
		return ReasonPointless
	case !allowed:
		return ReasonUnsafe
	}
	return ""
}

// checkFallbacks finds sources too wide for what may run: scripts, workers and
// plugins, in their own list or in that to which they fall back.
func (c *CSP) checkFallbacks(add func(name, reason, value string)) {
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
			if tooWideForCode(s, contains(list.sources, StrictDynamic)) {
				add(list.field, ReasonTooWide, string(s))
			}
		}
	}
}

// tooWideForCode says whether s lets anybody provide code. Beside
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

// isHash says whether s is 'sha256-…' with a digest of the right length.
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

// isHostOrScheme says whether s is a scheme-source or a host-source (CSP Level
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
	switch host {
	case "self", "none", "unsafe-inline", "unsafe-eval", "strict-dynamic", "nonce":
		return false // a keyword without its quotes is a host that nobody has
	}
	return true
}

// isSourceText says whether s is printable ASCII without what ends a source,
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
func checkEndpoints(endpoints map[string]string) []error {
	var errs []error
	for _, name := range sortedKeys(endpoints) {
		if !isFieldKey(name) || !token.Valid(name) {
			errs = append(errs, mistake("ReportingEndpoints", ReasonInvalid, name))
		}
		if u := endpoints[name]; !isReportURL(u) || strings.Contains(u, `\`) {
			errs = append(errs, mistake("ReportingEndpoints", ReasonInvalid, u))
		}
	}
	return errs
}
