package headers

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// setCookie is one Set-Cookie line as browsers take it apart (RFC 6265bis
// section 5.6): at semicolons, whatever quotes are around them.
type setCookie struct {
	name  string
	value string
	parts []string // the line, cut at ";", each as it was sent
}

func parseSetCookie(line string) *setCookie {
	s := &setCookie{parts: strings.Split(line, ";")}
	name, value, ok := strings.Cut(s.parts[0], "=")
	if !ok { // a cookie without a name
		name, value = "", name
	}
	s.name, s.value = trim(name), trim(value)
	return s
}

// String returns the line.
func (s *setCookie) String() string { return strings.Join(s.parts, ";") }

func trim(s string) string { return strings.Trim(s, " \t") }

// attribute takes part i apart. A value of more than 1024 bytes makes browsers
// ignore the attribute (RFC 6265bis section 5.6), so here it has no name.
func (s *setCookie) attribute(i int) (name, value string) {
	name, value, _ = strings.Cut(s.parts[i], "=")
	if value = trim(value); len(value) > 1024 {
		return "", ""
	}
	return trim(name), value
}

// get returns the value of the attribute that browsers go by: the last of its
// name.
func (s *setCookie) get(attribute string) (value string, ok bool) {
	for i := len(s.parts) - 1; i > 0; i-- {
		if name, value := s.attribute(i); text.EqualFold(name, attribute) {
			return value, true
		}
	}
	return "", false
}

func (s *setCookie) add(attribute string) { s.parts = append(s.parts, " "+attribute) }

// set gives every occurrence of the attribute the value, for parsers that take
// the first, or adds it.
func (s *setCookie) set(attribute, value string) {
	found := false
	for i := 1; i < len(s.parts); i++ {
		if name, _ := s.attribute(i); text.EqualFold(name, attribute) {
			s.parts[i] = " " + attribute + "=" + value
			found = true
		}
	}
	if !found {
		s.add(attribute + "=" + value)
	}
}

// drop removes every occurrence of the attribute, the ignored ones too.
func (s *setCookie) drop(attribute string) {
	kept := s.parts[:1]
	for _, part := range s.parts[1:] {
		if name, _, _ := strings.Cut(part, "="); !text.EqualFold(trim(name), attribute) {
			kept = append(kept, part)
		}
	}
	s.parts = kept
}

// rename puts prefix before the name.
func (s *setCookie) rename(prefix string) {
	i := strings.Index(s.parts[0], s.name)
	s.parts[0] = s.parts[0][:i] + prefix + s.parts[0][i:]
	s.name = prefix + s.name
}

// prefixOf returns the cookie name prefix of s in lower case, or "". Browsers
// compare without case (RFC 6265bis section 5.7).
func prefixOf(name string) string {
	for _, prefix := range [...]string{"__host-http-", "__host-", "__http-", "__secure-"} {
		if len(name) >= len(prefix) && text.EqualFold(name[:len(prefix)], prefix) {
			return prefix
		}
	}
	return ""
}

// flaw says why browsers will drop the cookie although it was hardened, or "".
func (s *setCookie) flaw(https bool, host string) string {
	_, secure := s.get("secure")
	sameSite, _ := s.get("samesite")
	domain, _ := s.get("domain")
	switch {
	case s.name == "" && s.value == "":
		return "empty"
	case slices.ContainsFunc(s.parts, hasControl):
		return "control_character"
	case len(s.name)+len(s.value) > 4096:
		return "too_long"
	case s.name == "" && prefixOf(s.value) != "": // it could pass for a prefixed one
		return "nameless_prefix"
	case !https && !secure && prefixOf(s.name) != "":
		return "prefix_without_secure"
	case !https && !secure && text.EqualFold(sameSite, "none"):
		return "samesite_none_without_secure"
	case domain != "" && !domainCovers(domain, host):
		return "foreign_domain"
	default:
		return ""
	}
}

func hasControl(part string) bool {
	return strings.ContainsFunc(part, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// domainCovers reports whether the host may set a cookie for domain (RFC 6265bis
// section 5.1.3). A host that cannot be read covers nothing it could disprove.
func domainCovers(domain, host string) bool {
	h, ok := parseHost(host)
	if !ok {
		return true
	}
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	if _, err := netip.ParseAddr(h.name); err == nil {
		return h.name == domain
	}
	return h.name == domain || strings.HasSuffix(h.name, "."+domain)
}
