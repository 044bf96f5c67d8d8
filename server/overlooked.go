package server

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/forwarded"
)

// overlooked reports a header that tells another client than addr and is not believed,
// and which field makes it so. A layer without it would see one client behind a proxy.
func (c *ClientIP) overlooked(r *http.Request, addr netip.Addr) {
	if c.reporter == nil {
		return
	}
	for _, name := range [...]string{c.header, "X-Forwarded-For", "Forwarded"} {
		lines := r.Header[name]
		if len(lines) == 0 {
			continue
		}
		peer, set := rampart.PeerAddr(r), forwarded.Field(r)
		if c.proxies.Trusts(r) {
			if name == c.header {
				return // it is believed
			}
			set = "Proxies.ClientHeader"
		}
		told := (&ClientIP{kind: kindOf(name)}).read(netip.Addr{}, lines)
		if !told.IsValid() || told == addr || !near(peer) && !forwarded.Unix(r) {
			continue
		}
		by := forwarded.Peer(r, peer)
		c.reporter.Report(r.Context(), rampart.UntrustedProxy, by, slog.String("peer", by), rampart.Text("header", name), slog.String("set", set))
		return
	}
}

// near reports whether a peer is almost surely a proxy, or a part of it: no client comes
// over the Internet from there.
func near(peer netip.Addr) bool {
	carrier := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) // RFC 6598
	return peer.IsLoopback() || peer.IsPrivate() || peer.IsLinkLocalUnicast() || carrier.Contains(peer)
}
