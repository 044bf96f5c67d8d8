package headers

import (
	"maps"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// Permissions maps a feature to who may use it: "self", origins such as
// "https://maps.example", or "*" alone. An empty list switches it off.
type Permissions map[string][]string

// render writes a structured-field dictionary (Permissions Policy section
// 5.2), sorted, with origins as strings.
func (p Permissions) render() string {
	var parts []string
	for _, feature := range sortedKeys(p) {
		var words []string
		for _, who := range p[feature] {
			if who != "self" && who != "*" {
				who = `"` + who + `"`
			}
			words = append(words, who)
		}
		list := "(" + strings.Join(words, " ") + ")"
		if list == "(*)" {
			list = "*"
		}
		parts = append(parts, feature+"="+list)
	}
	return strings.Join(parts, ", ")
}

func (p Permissions) check(c *conferr.Mistakes) {
	for _, feature := range sortedKeys(p) {
		if !isFieldKey(feature) || strings.ContainsAny(feature, "*_.") {
			c.Add("Permissions", rampart.ReasonInvalid, feature, `a feature is one word in lower case, such as "geolocation"`)
		}
		for i, who := range p[feature] {
			switch {
			case who == "*" && len(p[feature]) > 1:
				c.Add("Permissions", rampart.ReasonConflict, who, `"*" allows every origin; remove it or the others`)
			case who != "*" && who != "self" && !isPermissionOrigin(who):
				c.Add("Permissions", rampart.ReasonInvalid, who, `use "self" without quotes, an origin such as "https://maps.example", or "*" alone`)
			case slices.Contains(p[feature][:i], who):
				c.Add("Permissions", rampart.ReasonDuplicate, who, conferr.WantOnce)
			}
		}
	}
}

// isPermissionOrigin reports whether s is a serialized https origin, or one with
// a wildcard for the names below a host.
func isPermissionOrigin(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	host = strings.TrimPrefix(host, "*.")
	h, valid := parseHost(host)
	return ok && valid && h.String() == host && h.port != "443"
}

// isFieldKey follows key of RFC 9651 section 3.1.2.
func isFieldKey(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '.', c == '*':
		default:
			return false
		}
	}
	return s != "" && (s[0] == '*' || 'a' <= s[0] && s[0] <= 'z')
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
