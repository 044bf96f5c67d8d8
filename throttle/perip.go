package throttle

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
)

// PerIP returns a Limiter in memory that lets each address make so many
// requests, such as "100/hour" (see [Parse]), in a [SlidingWindow]. The address
// is the one that a client address layer (package server) resolved, else the TCP
// peer's, which behind a proxy is the proxy's. Its policy is called "ip"; the
// rest is as in a zero [Config]. The error is a [*RateError] or one of [New].
func PerIP(rate string) (*Limiter, error) {
	r, err := Parse(rate)
	if err != nil {
		return nil, err
	}
	return New(Config{Policies: []Policy{{Name: "ip", Rate: r, Key: ByIP(clientAddr)}}})
}

// PerCaller returns a Limiter in memory as [PerIP] does, for inside the layer that
// says who calls: each caller may make so many requests ([ByCaller]), and each
// address so many without a credential. Its policies are called "caller" and "ip".
func PerCaller(rate, anonymous string) (*Limiter, error) {
	known, err1 := Parse(rate)
	strangers, err2 := Parse(anonymous)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	stranger := func(r *http.Request) bool {
		_, ok := rampart.CallerFrom(r.Context())
		return !ok
	}
	return New(Config{Policies: []Policy{
		{Name: "caller", Rate: known, Key: ByCaller()},
		{Name: "ip", Rate: strangers, Key: ByIP(clientAddr), Match: stranger},
	}})
}

func clientAddr(r *http.Request) netip.Addr {
	if addr, ok := rampart.ClientAddrFrom(r.Context()); ok {
		return addr
	}
	return rampart.PeerAddr(r)
}
