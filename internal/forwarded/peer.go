package forwarded

import (
	"net"
	"net/http"
	"net/netip"
)

// Unix reports whether r came over a Unix socket. Its own end says so: the peer's has
// no name, and a layer may have put anything into RemoteAddr.
func Unix(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && addr.Network() == "unix"
}

// Peer returns how records name the peer of r, whose address is addr.
func Peer(r *http.Request, addr netip.Addr) string {
	switch {
	case addr.IsValid():
		return addr.String()
	case Unix(r):
		return "unix"
	default:
		return "unknown"
	}
}

// Field names what is to be set in a rampart.Proxies so that the peer of r is believed.
func Field(r *http.Request) string {
	if Unix(r) {
		return "Proxies.UnixSocket"
	}
	return "Proxies.Prefixes or Proxies.Hops"
}
