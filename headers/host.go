package headers

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
)

// hostList holds the hosts that are ours.
type hostList struct {
	any     bool
	literal map[string]hostPort // every spelling that needs no parsing
	ports   map[string][]string // name -> ports
	below   map[string][]string // "example.com" of "*.example.com" -> ports
}

// hostPort is a Host in normal form: name in lower case, without a trailing
// dot, IPv6 in brackets; port "" if none was sent.
type hostPort struct{ name, port string }

func (h hostPort) String() string {
	if h.port == "" {
		return h.name
	}
	return h.name + ":" + h.port
}

// add compiles one entry of AllowedHosts, or returns why it is not one and what
// would be right.
func (l *hostList) add(pattern string) (reason rampart.Reason, want string) {
	if pattern == "*" || pattern == "*:*" {
		return rampart.ReasonTooWide, "list your own names, or read what DangerouslyAnyHost says"
	}
	rest, wild := strings.CutPrefix(pattern, "*.")
	anyPort := strings.HasSuffix(rest, ":*")
	h, ok := parseHost(strings.TrimSuffix(rest, ":*"))
	if !ok || anyPort && h.port != "" || h.String() != strings.TrimSuffix(rest, ":*") {
		return rampart.ReasonInvalid, wantHost // what is written in a way that no Host ever has would never match
	}
	ports := []string{h.port}
	if h.port == "" {
		ports = []string{"", "80", "443"}
	}
	if anyPort {
		ports = []string{"*"}
	}
	if !wild {
		l.ports[h.name] = append(l.ports[h.name], ports...)
		for _, port := range ports {
			if port != "*" {
				spelled := hostPort{h.name, port}
				l.literal[spelled.String()] = spelled
			}
		}
		return "", ""
	}
	switch {
	case strings.HasPrefix(h.name, "[") || isNumeric(lastLabel(h.name)):
		return rampart.ReasonInvalid, `no name is below an address; write it without "*."`
	case !strings.Contains(h.name, ".") && h.name != "localhost":
		return rampart.ReasonTooWide, `it matches a whole top-level domain; write your own domain, such as "*.example.com"`
	}
	l.below[h.name] = append(l.below[h.name], ports...)
	return "", ""
}

// match returns the normal form of host, or why it is not ours.
func (l *hostList) match(host string) (hostPort, rampart.Denial) {
	if h, ok := l.literal[host]; ok {
		return h, ""
	}
	if host == "" {
		return hostPort{}, HostMissing
	}
	h, ok := parseHost(host)
	if !ok {
		return hostPort{}, HostMalformed
	}
	if l.admits(h) {
		return h, ""
	}
	return hostPort{}, HostNotAllowed
}

// admits reports whether a request for h passes.
func (l *hostList) admits(h hostPort) bool {
	return l.any || l.find(h.name, func(ports []string) bool { return has(ports, h.port) })
}

// named reports whether a name is listed, under any port.
func (l *hostList) named(name string) bool {
	return l.find(name, func(ports []string) bool { return len(ports) > 0 })
}

// find reports whether there is an entry for name whose ports are right.
func (l *hostList) find(name string, right func(ports []string) bool) bool {
	if right(l.ports[name]) {
		return true
	}
	if len(l.below) == 0 {
		return false
	}
	for parent := name; ; {
		i := strings.IndexByte(parent, '.')
		if i < 0 {
			return false
		}
		parent = parent[i+1:]
		if right(l.below[parent]) {
			return true
		}
	}
}

func has(ports []string, port string) bool {
	return slices.Contains(ports, port) || slices.Contains(ports, "*")
}

// parseHost reads host[:port] as RFC 9110 section 7.2 and RFC 3986 section
// 3.2.2 have it, without what no browser sends: userinfo, an empty or
// zero-padded port, bytes outside ASCII (internationalized names arrive in
// punycode), percent signs, addresses that only some parsers take for one.
func parseHost(s string) (hostPort, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		return parseIPv6(inner)
	}
	name, port, ported := strings.Cut(s, ":")
	if ported && !validPort(port) {
		return hostPort{}, false
	}
	name = strings.TrimSuffix(name, ".")
	if !validName(name) {
		return hostPort{}, false
	}
	return hostPort{strings.ToLower(name), port}, true
}

// parseIPv6 reads what follows the "[" of an IPv6 host.
func parseIPv6(s string) (hostPort, bool) {
	inner, port, closed := strings.Cut(s, "]")
	port, ported := strings.CutPrefix(port, ":")
	if !closed || ported != validPort(port) || !ported && port != "" {
		return hostPort{}, false
	}
	addr, err := netip.ParseAddr(inner)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return hostPort{}, false
	}
	return hostPort{"[" + addr.String() + "]", port}, true
}

func validPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// validName reports whether s is a dotted name of letters, digits, "-" and "_"
// (which container networks use), or a dotted IPv4 address. A last label that
// is a number makes it an address (WHATWG URL, "ends in a number").
func validName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlnum(label[i]) && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	if isNumeric(lastLabel(s)) {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4()
	}
	return true
}

func lastLabel(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// isNumeric reports whether a label is a number, decimal or 0x.
func isNumeric(label string) bool {
	if len(label) >= 2 && label[0] == '0' && label[1]|0x20 == 'x' {
		return strings.Trim(label[2:], "0123456789abcdefABCDEF") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// isLoopback reports whether a name in normal form means this machine (RFC 6761
// section 6.3 for localhost).
func (h hostPort) isLoopback() bool {
	if h.name == "localhost" || strings.HasSuffix(h.name, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(h.name, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
