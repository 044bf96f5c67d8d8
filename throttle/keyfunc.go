package throttle

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"

	"github.com/ecolaura/rampart"
)

// A KeyFunc names who pays for a request: it appends a key to dst, as
// [strconv.AppendInt] does, and reports whether the policy applies to the request.
// If it applies and nothing was appended, who pays cannot be told: the request is
// refused. [By] makes one of a function that returns a string.
//
// The key is what [Limiter.Take], [Limiter.Peek] and [Limiter.Reset] take. It is
// never written to a log. A KeyFunc must not keep dst, and must be safe to call from
// several goroutines.
type KeyFunc func(dst []byte, r *http.Request) (key []byte, applies bool)

// ByIP lets the client's address pay: an IPv4 address by itself, an IPv6 one
// with its whole /64, which is the least that one subscriber gets. Its keys
// read "192.0.2.7" and "2001:db8:1:2::/64" (see [AddrKey]). An IPv4 address in
// IPv6 counts as IPv4, a zone is ignored.
//
// The address comes from addr, such as the Addr method of a server.ClientIP;
// nil takes the TCP peer, which behind a proxy is the proxy. A request whose
// address cannot be told (the zero Addr) is refused.
func ByIP(addr func(*http.Request) netip.Addr) KeyFunc { return ByNetwork(addr, 32, 64) }

// ByNetwork is [ByIP] with prefix lengths of your own. Subscribers with more
// than a /64 can change their address at will, so a second, wider policy by
// ByNetwork(addr, 32, 48) belongs beside a policy by address. Lengths outside
// 1 to 32 and 1 to 128 refuse every request.
func ByNetwork(addr func(*http.Request) netip.Addr, v4, v6 int) KeyFunc {
	if addr == nil {
		addr = rampart.PeerAddr
	}
	return func(dst []byte, r *http.Request) ([]byte, bool) { return appendAddr(dst, addr(r), v4, v6), true }
}

// AddrKey returns the key under which [ByNetwork] with the same lengths lets
// addr pay, for [Limiter.Peek] and [Limiter.Reset]; "" for the zero Addr and
// for lengths that are out of range.
func AddrKey(addr netip.Addr, v4, v6 int) string { return string(appendAddr(nil, addr, v4, v6)) }

func appendAddr(dst []byte, addr netip.Addr, v4, v6 int) []byte {
	addr = addr.Unmap().WithZone("")
	length := v6
	if addr.Is4() {
		length = v4
	}
	if !addr.IsValid() || length < 1 || length > addr.BitLen() {
		return dst
	}
	if length == addr.BitLen() {
		return addr.AppendTo(dst)
	}
	p, err := addr.Prefix(length)
	if err != nil { // unreachable: the length is in range
		return dst
	}
	return p.AppendTo(dst)
}

// ByHeader lets the value of a request header pay. A client picks it, so it
// limits only honest clients, unless a layer outside has checked the value. A
// request without the header is not limited by the policy; one with several
// values is refused, as nobody can say which of them others believe.
func ByHeader(name string) KeyFunc {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return func(dst []byte, r *http.Request) ([]byte, bool) {
		switch values := r.Header[name]; {
		case len(values) > 1:
			return dst, true
		case len(values) == 0 || values[0] == "":
			return dst, false
		default:
			return append(dst, values[0]...), true
		}
	}
}

// By lets whatever f returns pay: the authenticated subject, the id of an API
// key, a tenant. The policy does not apply to a request for which f returns
// "". The keys read "name:value".
func By(name string, f func(*http.Request) string) KeyFunc {
	name += ":"
	return func(dst []byte, r *http.Request) ([]byte, bool) {
		value := f(r)
		if value == "" {
			return dst, false
		}
		return append(append(dst, name...), value...), true
	}
}

// ByCaller lets the caller pay, whatever the credential: by
// [rampart.Caller.Key], under which two issuers' subjects of one name are two. It
// belongs inside the layer that says who calls. The policy does not apply to a
// request without a caller.
func ByCaller() KeyFunc {
	return func(dst []byte, r *http.Request) ([]byte, bool) {
		caller, ok := rampart.CallerFrom(r.Context())
		return append(dst, caller.Key()...), ok
	}
}

// Joint lets a combination pay, such as an address and an account name. It
// applies where all of fs apply, and refuses where one of them cannot tell.
// Each part is preceded by its length, so that no two combinations share a key.
func Joint(fs ...KeyFunc) KeyFunc {
	return func(dst []byte, r *http.Request) ([]byte, bool) {
		joined := dst
		for _, f := range fs {
			begin := len(joined)
			part, ok := f(joined[begin:], r)
			if !ok || len(part) == 0 {
				return dst, ok
			}
			joined = append(joined, part...) // it stands there already, or in memory of its own
			var length [binary.MaxVarintLen64]byte
			joined = slices.Insert(joined, begin, binary.AppendUvarint(length[:0], uint64(len(part)))...)
		}
		return joined, len(joined) > len(dst)
	}
}

// ByRoute counts each route by itself: the pattern that an [http.ServeMux] found for
// the request ([http.Request.Pattern]), jointly with fs, such as
// ByRoute(ByIP(clientIP.Addr)), or for all callers together without fs. It belongs
// inside the mux, around the handler of a pattern. Further out no pattern is known yet:
// every request is refused there, as nobody would be limited.
func ByRoute(fs ...KeyFunc) KeyFunc {
	route := func(dst []byte, r *http.Request) ([]byte, bool) { return append(dst, r.Pattern...), true }
	return Joint(append([]KeyFunc{route}, fs...)...)
}
