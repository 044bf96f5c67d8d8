package headers

import (
	"path"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

// checkFixed adds every mistake in the fixed headers to bad.
func (c *Config) checkFixed(bad *conferr.Mistakes) {
	bad.If(c.Preset > PresetWeb, "Preset", rampart.ReasonInvalid, nil, "use PresetAPI or PresetWeb")
	isOpener := isPolicyItem("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")
	isEmbedder := isPolicyItem("require-corp", "credentialless", "unsafe-none")
	for _, f := range []struct {
		field, value string
		valid        func(string) bool
		want         string
	}{
		{"FrameOptions", c.FrameOptions, oneOf("DENY", "SAMEORIGIN"), "use DENY, SAMEORIGIN or Off; CSP.FrameAncestors can name origins"},
		{"ReferrerPolicy", c.ReferrerPolicy, isReferrerPolicy, "use a policy of the Referrer Policy standard, such as strict-origin-when-cross-origin, or Off"},
		{"OpenerPolicy", c.OpenerPolicy, isOpener, "use same-origin, same-origin-allow-popups, noopener-allow-popups, unsafe-none or Off"},
		{"OpenerPolicyReportOnly", c.OpenerPolicyReportOnly, reporting(isOpener), `use a value of OpenerPolicy and an endpoint, such as same-origin; report-to="main"`},
		{"EmbedderPolicy", c.EmbedderPolicy, isEmbedder, "use require-corp, credentialless, unsafe-none or Off"},
		{"EmbedderPolicyReportOnly", c.EmbedderPolicyReportOnly, reporting(isEmbedder), `use a value of EmbedderPolicy and an endpoint, such as require-corp; report-to="main"`},
		{"ResourcePolicy", c.ResourcePolicy, oneOf("same-origin", "same-site", "cross-origin"), "use same-origin, same-site, cross-origin or Off"},
		{"CacheControl", c.CacheControl, isCacheControl, "use directives of RFC 9111, such as no-store or private, max-age=60, or Off"},
	} {
		if f.value != "" && f.value != Off && !f.valid(f.value) {
			bad.Add(f.field, rampart.ReasonInvalid, f.value, f.want)
			continue
		}
		if name, ok := reportTo(f.value); ok {
			_, known := c.ReportingEndpoints[name]
			bad.If(!known, f.field, rampart.ReasonConflict, name, wantEndpoint)
		}
	}
	c.CSP.check(bad, "CSP", false, c.ReportingEndpoints)
	c.CSPReportOnly.check(bad, "CSPReportOnly", true, c.ReportingEndpoints)
	c.Permissions.check(bad)
	checkEndpoints(bad, c.ReportingEndpoints)
	c.checkExtra(bad)
}

func (c *Config) checkExtra(bad *conferr.Mistakes) {
	seen := make(map[string]bool)
	for _, name := range sortedKeys(c.Extra) {
		switch {
		case !token.Valid(name):
			bad.Add("Extra", rampart.ReasonInvalid, name, conferr.WantHeader)
		case isReserved(canonical(name)):
			bad.Add("Extra", ReasonReserved, name, wantReserved)
		case seen[canonical(name)]:
			bad.Add("Extra", rampart.ReasonDuplicate, name, "header names ignore case; write it once")
		case !isFieldValue(c.Extra[name]):
			bad.Add("Extra", rampart.ReasonInvalid, c.Extra[name], "a value is printable ASCII without line breaks or spaces at its ends")
		}
		seen[canonical(name)] = true
	}
	for _, name := range c.Remove {
		switch {
		case !token.Valid(name):
			bad.Add("Remove", rampart.ReasonInvalid, name, conferr.WantHeader)
		case seen[canonical(name)]:
			bad.Add("Remove", rampart.ReasonConflict, name, "Extra sets this header; remove it from one of the two")
		case isReserved(canonical(name)):
			bad.Add("Remove", ReasonReserved, name, wantReserved)
		}
	}
}

// What the mistakes of several fields say would be right.
const (
	wantCookie   = `a cookie name is one word, such as "csrftoken"`
	wantEndpoint = "add the endpoint of this name to ReportingEndpoints"
	wantHost     = `a host is name[:port] in lower case, without a scheme or path, such as "app.example.com" or "*.example.com:*"`
	wantOrigin   = "an origin is scheme://host[:port] in lower case, with http or https, without a path, a trailing slash or the default port"
	wantReserved = "this header has a field of its own or belongs to another layer; use that"
)

// isProbePath reports whether s is a clean path that needs no escaping.
func isProbePath(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("/-._~", c) < 0 {
			return false
		}
	}
	return s == "/" || strings.HasPrefix(s, "/") && path.Clean(s) == strings.TrimSuffix(s, "/")
}
