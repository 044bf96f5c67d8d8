package server

import (
	"net/netip"
	"strings"

	"github.com/ecolaura/rampart/internal/token"
)

// parseElement reads the address of one hop.
func parseElement(element string, kind headerKind) netip.Addr {
	if kind == rfc7239 {
		node, ok := forwardedFor7239(element)
		if !ok {
			return netip.Addr{}
		}
		return parseNode(node)
	}
	return parseHop(element)
}

// forwardedFor7239 returns the for parameter of a Forwarded element (RFC 7239
// section 4), unquoted. An element that breaks the grammar, has no for
// parameter or names one twice is refused: which value to believe is a guess.
func forwardedFor7239(element string) (string, bool) {
	node, found := "", false
	for rest := element; rest != ""; {
		name, value, ok := strings.Cut(rest, "=")
		if !ok || !token.Valid(name) {
			return "", false
		}
		if strings.HasPrefix(value, `"`) {
			value, rest, ok = cutQuoted(value[1:])
			if !ok {
				return "", false
			}
		} else {
			end := strings.IndexByte(value, ';')
			if end < 0 {
				end = len(value)
			}
			value, rest = value[:end], value[end:]
			if !token.Valid(value) {
				return "", false
			}
		}
		if strings.EqualFold(name, "for") {
			if found {
				return "", false
			}
			node, found = value, true
		}
		if rest == "" {
			break
		}
		if rest[0] != ';' || len(rest) == 1 {
			return "", false
		}
		rest = rest[1:]
	}
	return node, found
}

// cutQuoted reads a quoted string up to its closing quote.
func cutQuoted(s string) (value, rest string, ok bool) {
	if i := strings.IndexAny(s, `"\`); i >= 0 && s[i] == '"' {
		return s[:i], s[i+1:], true
	}
	return "", "", false // no node needs an escape
}

// parseNode reads an RFC 7239 section 6 node: IPv6 only in brackets, an
// optional port; "unknown" and obfuscated identifiers are no address.
func parseNode(node string) netip.Addr {
	if !strings.HasPrefix(node, "[") && strings.Count(node, ":") > 1 {
		return netip.Addr{}
	}
	return parseHop(node)
}

// parseHop reads an address as proxies write it: bare, with a port, or IPv6 in
// brackets with or without one. A zone means another machine's interface.
func parseHop(s string) netip.Addr {
	if len(s) > len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535") || strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			a, err := netip.ParseAddr(inner)
			if err != nil || !a.Is6() {
				return netip.Addr{}
			}
			return a.Unmap()
		}
	}
	if strings.HasPrefix(s, "[") || strings.Count(s, ":") == 1 {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		return ap.Addr().Unmap()
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
