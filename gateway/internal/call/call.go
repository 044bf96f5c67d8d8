// Package call holds what the gateway knows of one request on its way through
// the plugins.
package call

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// A Call is one request. It belongs to the goroutine that serves the request.
type Call struct {
	Start   time.Time
	Route   *conf.Route   // nil: none matched
	Service *conf.Service // nil: none matched

	Path    string         // normalized and escaped, as the client sent it
	Matched int            // length of the part that the route matched
	Regex   *regexp.Regexp // that matched it; nil: a prefix did
	Scheme  string         // http or https, as the client reached the first proxy
	Port    int            // of the listener
	Peer    netip.Addr
	Client  netip.Addr // behind trusted proxies
	Trusted bool       // the peer is a trusted proxy

	Consumer   *conf.Consumer // nil: not known
	Credential string         // id of the credential
	Anonymous  bool           // Consumer stands for those without a credential
	Groups     []string       // of Consumer, for the upstream
	Member     []conf.Ref     // the consumer groups that Consumer is in

	SetHeaders  []string // for the upstream: name, value, name, value …
	HideHeaders []string // not for the upstream: credentials
	HideQuery   []string
	own         []string // headers of the response that are not the upstream's to set
	DropHeaders []string // those that the gateway sets by itself, but not now

	Secrets []string // names of headers and parameters that may hold credentials, not for logs

	UpstreamPath string // normalized and escaped; "": as service and route say
	Host         string // for the upstream; "": as service and route say

	Target   string // the last server that was asked
	Tries    int
	Upstream time.Duration // until its header was there
	Status   int           // of its response; 0: there was none

	BodyFailed atomic.Int32 // the status that says how the client's body ended before its end; 0: it has not

	Counts []Counter // told of the end

	Rest []http.Handler // of its way: plugins, and what is behind them
}

// A Counter is told of each response.
type Counter interface {
	Count(c *Call, status int, sent int64, took time.Duration)
}

// Own puts a header into the response, in place of what the upstream says there.
func (c *Call) Own(w http.ResponseWriter, name, value string) {
	w.Header()[name] = []string{value}
	c.own = append(c.own, name)
}

// Disown drops from an upstream's answer what is not its to set.
func (c *Call) Disown(h http.Header) {
	for _, name := range c.own {
		delete(h, name)
	}
}

type key struct{}

// With puts c into ctx.
func With(ctx context.Context, c *Call) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns the Call of ctx; nil outside the gateway.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(key{}).(*Call)
	return c
}
