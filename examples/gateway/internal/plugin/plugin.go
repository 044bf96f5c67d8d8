// Package plugin makes layers out of a configuration's plugins, each on the
// package of rampart that does its work.
package plugin

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/examples/gateway/internal/call"
	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// An Env is what plugins need of the gateway.
type Env struct {
	File    *conf.File
	Log     *slog.Logger
	Events  *rampart.Reporter
	Metrics *Metrics
	Trusted []netip.Prefix
	// Shared keeps the counts of policy redis; nil: there is none.
	Shared throttle.Store

	consumers map[conf.Ref]*conf.Consumer
	groups    map[conf.Ref][]string
	keys      *keyStore
	tokens    map[string]*tokenKey
	limiters  int
}

// Prepare reads credentials and groups of e.File, as far as it can.
func (e *Env) Prepare() conf.Mistakes {
	e.consumers, e.groups = map[conf.Ref]*conf.Consumer{}, map[conf.Ref][]string{}
	for _, c := range e.File.Consumers {
		e.consumers[conf.Ref(c.ID)] = c
	}
	for _, a := range e.File.ACLs {
		e.groups[a.Consumer] = append(e.groups[a.Consumer], a.Group)
	}
	for _, p := range e.File.Plugins {
		if Stateful(p.Name) {
			e.limiters++
		}
	}
	var keys, tokens conf.Mistakes
	e.keys, keys = newKeyStore(e.File.KeyAuths)
	e.tokens, tokens = newTokenKeys(e.File.JWTSecrets, e.Log)
	return append(keys, tokens...)
}

// A Layer is one use of a plugin.
type Layer struct {
	Handler func(http.Handler) http.Handler
	Close   func()
}

// Stateful says whether a plugin's layer should outlive a reload that does not
// change it: its counts are in it.
func Stateful(name string) bool { return name == "rate-limiting" || name == "usage-plan" }

// New returns the layer of p.
func New(p *conf.Plugin, e *Env) (*Layer, error) {
	var h func(http.Handler) http.Handler
	var err error
	end := func() {}
	switch cfg := p.Config.(type) {
	case *conf.RateLimiting:
		h, err = rateLimiting(p, cfg, e)
	case *conf.UsagePlan:
		h, err = usagePlan(p, cfg, e)
	case *conf.KeyAuthConfig:
		h, end, err = keyAuth(cfg, e)
	case *conf.JWT:
		h, err = jwt(cfg, e)
	case *conf.ACLConfig:
		h = acl(cfg, e)
	case *conf.IPRestriction:
		h, err = ipRestriction(cfg, e)
	case *conf.CORS:
		h, err = corsLayer(cfg, e)
	case *conf.RequestSizeLimiting:
		h = requestSize(cfg, e)
	case *conf.ResponseTransformer:
		h = responseTransformer(cfg)
	case *conf.SecurityHeaders:
		h, err = securityHeaders(cfg, e)
	case *conf.RequestTermination:
		h = termination(cfg)
	case *conf.CorrelationID:
		h = correlationID(cfg)
	case *conf.Prometheus:
		h = e.Metrics.layer(cfg)
	default:
		err = fmt.Errorf("plugin: there is none named %q", p.Name)
	}
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: h, Close: end}, nil
}

// clientAddr is the ClientIP of all plugins.
func clientAddr(r *http.Request) netip.Addr {
	if c := call.From(r.Context()); c != nil {
		return c.Client
	}
	return netip.Addr{}
}

// known notes who calls, and the groups of that; without a credential it is the
// consumer that stands for strangers, who may be in groups too.
func (e *Env) known(c *call.Call, consumer conf.Ref, credential string) {
	c.Consumer, c.Credential, c.Anonymous = e.consumers[consumer], credential, credential == ""
	c.Groups = e.groups[consumer]
}

// anonymous returns the consumer that stands for strangers; nil if there is
// none.
func (e *Env) anonymous(name string) *conf.Consumer {
	for _, c := range e.File.Consumers {
		if name != "" && (c.ID == name || c.Username == name) {
			return c
		}
	}
	return nil
}
