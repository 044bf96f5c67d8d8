package throttle

import (
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// PerIP returns a Limiter in memory that lets each address make so many
// requests, such as "100/hour" (see [Parse]), in a [SlidingWindow]. The address
// is the one that a client address layer (package server) resolved, else the TCP
// peer's, which behind a proxy is the proxy's. Its policy is called "ip"; the
// rest is as in a zero [Config]. The error is a [*rampart.ConfigError].
func PerIP(rate string) (*Limiter, error) {
	bad := conferr.For("throttle.PerIP")
	r := windowRate(bad, "rate", rate)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return New(Config{Policies: []Policy{{Name: "ip", Rate: r, Key: ByIP(clientAddr)}}})
}

// PerCaller returns a Limiter in memory as [PerIP] does, for inside the layer that
// says who calls: each caller may make so many requests ([ByCaller]), and each
// address so many without a credential. Its policies are called "caller" and "ip".
// The error holds every mistake, each a [*rampart.ConfigError], joined.
func PerCaller(rate, anonymous string) (*Limiter, error) {
	bad := conferr.For("throttle.PerCaller")
	known, strangers := windowRate(bad, "rate", rate), windowRate(bad, "anonymous", anonymous)
	if err := bad.Err(); err != nil {
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

// windowRate reads a rate for a [SlidingWindow].
func windowRate(bad *conferr.Mistakes, param, text string) Rate {
	r, err := Parse(text)
	bad.If(err != nil, param, rampart.ReasonInvalid, text, `write count/period, such as "100/hour" or "5/30m"`)
	bad.If(r.Burst != 0, param, rampart.ReasonInvalid, text, "a sliding window has no burst; leave it out, or use New with Algorithm: TokenBucket")
	return r
}

func clientAddr(r *http.Request) netip.Addr {
	if addr, ok := rampart.ClientAddrFrom(r.Context()); ok {
		return addr
	}
	return rampart.PeerAddr(r)
}
