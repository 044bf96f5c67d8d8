package sanitize

import "net/netip"

// IP parses an IPv4 or IPv6 address: no zone, no port, no leading zeros (octal
// to some readers), no spaces. An IPv4 address in IPv6 form comes out as IPv4, so
// that it compares equal to the other form. The error is an [*Invalid].
func IP(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, &Invalid{"ip", "Enter a valid IPv4 or IPv6 address."}
	}
	return addr.Unmap(), nil
}
