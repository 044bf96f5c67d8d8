package weborigin

import (
	"net/netip"
	"strings"
)

const (
	maxScheme = 64
	maxHost   = 253
	maxLabel  = 63
	maxOrigin = maxScheme + len("://[") + maxHost + len("]:65535")
)

// An Origin is a parsed ASCII-serialised tuple origin (HTML section 7.1.1).
// Scheme and host are slices of it, so parsing allocates nothing for names.
type Origin struct {
	text      string // as sent
	hostStart int    // after "://"
	hostEnd   int    // text[hostEnd:] is "" or ":" and the port
	address   bool   // the host is an IP address
}

// String returns the origin as it was sent.
func (o Origin) String() string { return o.text }

// Scheme returns the scheme with "://".
func (o Origin) Scheme() string { return o.text[:o.hostStart] }

// Host returns the host without a port; an IPv6 address is in brackets.
func (o Origin) Host() string { return o.text[o.hostStart:o.hostEnd] }

// Port returns ":" and the port, or "".
func (o Origin) Port() string { return o.text[o.hostEnd:] }

// HostPort returns the host with the port, if there is one.
func (o Origin) HostPort() string { return o.text[o.hostStart:] }

// Address reports whether the host is an IP address.
func (o Origin) Address() bool { return o.address }

// Insecure reports whether somebody on the wire can speak for the origin: it is
// neither https nor on the browser's own machine.
func (o Origin) Insecure() bool {
	switch o.Scheme() {
	case "https://", "chrome-extension://", "moz-extension://", "safari-web-extension://": // the browser's own
		return false
	default:
		return !o.Local()
	}
}

// Local reports whether the host is the browser's own machine: a localhost name
// (RFC 6761 section 6.3) or a loopback address.
func (o Origin) Local() bool {
	if o.address {
		addr, err := netip.ParseAddr(strings.Trim(o.Host(), "[]"))
		return err == nil && addr.IsLoopback()
	}
	host := strings.TrimSuffix(o.Host(), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Parse accepts what a browser can send for a tuple origin, and nothing
// else: every byte is accounted for, so no text can hide a second host.
func Parse(s string) (Origin, bool) {
	if len(s) > maxOrigin {
		return Origin{}, false
	}
	o := Origin{text: s}
	var ok bool
	if o.hostStart, ok = scanScheme(s); !ok {
		return Origin{}, false
	}
	if strings.HasPrefix(s[o.hostStart:], "[") {
		o.address = true
		o.hostEnd, ok = scanIPv6(s, o.hostStart)
	} else {
		o.hostEnd, o.address, ok = scanName(s, o.hostStart)
	}
	if !ok || !validPort(o.Scheme(), o.Port()) {
		return Origin{}, false
	}
	return o, true
}

// scanScheme returns where the host starts. Upper case is refused: browsers
// serialise schemes in lower case.
func scanScheme(s string) (int, bool) {
	if strings.HasPrefix(s, "https://") {
		return len("https://"), true
	}
	for i := range min(len(s), maxScheme+1) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return i + len("://"), strings.HasPrefix(s[i:], "://")
		default:
			return 0, false
		}
	}
	return 0, false
}

// scanName returns where the host name ends that starts at i. Underscores are
// no hostname characters, but browsers let them through. A name whose last
// label looks like a number is an IPv4 address or nothing (URL section 3.5).
func scanName(s string, i int) (end int, address, ok bool) {
	label := i
	for end = i; end < len(s) && s[end] != ':'; end++ {
		switch c := s[end]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			if end == label || end-label > maxLabel {
				return 0, false, false
			}
			label = end + 1
		default:
			return 0, false, false
		}
	}
	host := s[i:end]
	if end-label > maxLabel || len(host) > maxHost || host == "" {
		return 0, false, false
	}
	last := s[label:end]
	if last == "" { // a trailing dot: the absolute form of a name
		rooted := host[:len(host)-1]
		return end, false, !looksNumeric(rooted[strings.LastIndexByte(rooted, '.')+1:])
	}
	if !looksNumeric(last) {
		return end, false, true
	}
	addr, err := netip.ParseAddr(host) // dotted quad only, no leading zeros
	return end, true, err == nil && addr.Is4()
}

// looksNumeric is the "ends in a number" check of the URL standard.
func looksNumeric(label string) bool {
	if label == "" || label[0] < '0' || label[0] > '9' {
		return false
	}
	digits, hex := label, false
	if strings.HasPrefix(label, "0x") {
		digits, hex = label[2:], true
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// scanIPv6 returns where the bracketed address ends that starts at i. Only the
// compressed lower-case form is what browsers send (URL section 3.5).
func scanIPv6(s string, i int) (end int, ok bool) {
	n := strings.IndexByte(s[i:], ']')
	if n < 0 {
		return 0, false
	}
	text := s[i+1 : i+n]
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" || addr.String() != text {
		return 0, false
	}
	return i + n + 1, true
}

// validPort reports whether port, "" or with its colon, is one that a browser
// names: 1 to 65535, no leading zero, not the scheme's default.
func validPort(scheme, port string) bool {
	if port == "" {
		return true
	}
	if len(port) < len(":1") || len(port) > len(":65535") || port[0] != ':' || port[1] == '0' || port == DefaultPort(scheme) {
		return false
	}
	n := 0
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= 65535
}

// DefaultPort returns ":" and the port that an origin of the scheme, which has its
// "://", leaves out; "" for another scheme.
func DefaultPort(scheme string) string {
	switch scheme {
	case "https://", "wss://":
		return ":443"
	case "http://", "ws://":
		return ":80"
	case "ftp://":
		return ":21"
	default:
		return ""
	}
}
