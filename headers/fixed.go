package headers

import (
	"path"
	"strings"

	"github.com/ecolaura/rampart/internal/token"
)

// checkFixed returns every mistake in the fixed headers.
func (c *Config) checkFixed() (errs []error) {
	if c.Preset > PresetWeb {
		errs = append(errs, mistake("Preset", ReasonInvalid, ""))
	}
	for _, f := range []struct {
		field, value string
		valid        func(string) bool
	}{
		{"FrameOptions", c.FrameOptions, oneOf("DENY", "SAMEORIGIN")},
		{"ReferrerPolicy", c.ReferrerPolicy, isReferrerPolicy},
		{"OpenerPolicy", c.OpenerPolicy, isPolicyItem("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")},
		{"EmbedderPolicy", c.EmbedderPolicy, isPolicyItem("require-corp", "credentialless", "unsafe-none")},
		{"ResourcePolicy", c.ResourcePolicy, oneOf("same-origin", "same-site", "cross-origin")},
		{"CacheControl", c.CacheControl, isCacheControl},
	} {
		if f.value != "" && f.value != Off && !f.valid(f.value) {
			errs = append(errs, mistake(f.field, ReasonInvalid, f.value))
			continue
		}
		if name, ok := reportTo(f.value); ok {
			if _, known := c.ReportingEndpoints[name]; !known {
				errs = append(errs, mistake(f.field, ReasonConflict, name))
			}
		}
	}
	errs = append(errs, c.CSP.check("CSP", false, c.ReportingEndpoints)...)
	errs = append(errs, c.CSPReportOnly.check("CSPReportOnly", true, c.ReportingEndpoints)...)
	errs = append(errs, c.Permissions.check()...)
	errs = append(errs, checkEndpoints(c.ReportingEndpoints)...)
	errs = append(errs, c.checkExtra()...)
	return errs
}

func (c *Config) checkExtra() (errs []error) {
	seen := make(map[string]bool)
	for _, name := range sortedKeys(c.Extra) {
		switch {
		case !token.Valid(name):
			errs = append(errs, mistake("Extra", ReasonInvalid, name))
		case isReserved(canonical(name)):
			errs = append(errs, mistake("Extra", ReasonReserved, name))
		case seen[canonical(name)]:
			errs = append(errs, mistake("Extra", ReasonDuplicate, name))
		case !isFieldValue(c.Extra[name]):
			errs = append(errs, mistake("Extra", ReasonInvalid, c.Extra[name]))
		}
		seen[canonical(name)] = true
	}
	for _, name := range c.Remove {
		switch {
		case !token.Valid(name):
			errs = append(errs, mistake("Remove", ReasonInvalid, name))
		case seen[canonical(name)]:
			errs = append(errs, mistake("Remove", ReasonConflict, name))
		case isReserved(canonical(name)):
			errs = append(errs, mistake("Remove", ReasonReserved, name))
		}
	}
	return errs
}

// isProbePath says whether s is a clean path that needs no escaping.
func isProbePath(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("/-._~", c) < 0 {
			return false
		}
	}
	return s == "/" || strings.HasPrefix(s, "/") && path.Clean(s) == strings.TrimSuffix(s, "/")
}
