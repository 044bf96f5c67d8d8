package sanitize

import (
	"net/netip"
	"strings"
)

// IP parses an IPv4 or IPv6 address: no zone, no port, no leading zeros (octal
// to some readers), no spaces. An IPv4 address in IPv6 form comes out as IPv4, so
// that it compares equal to the other form. The error is an [*Invalid].
func IP(s string) (netip.Addr, error) {
	addr, ok := address(s)
	if !ok {
		return netip.Addr{}, &Invalid{Code: "ip", Detail: "Enter a valid IPv4 or IPv6 address."}
	}
	return addr.Unmap(), nil
}

// address parses an IP address without a zone. A zone names an interface of one
// machine, and netip would keep a copy of each, however long.
func address(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	return addr, err == nil
}
