// Package plugin holds the gateway's plugins, a file for each: what it can be
// told, what is wrong with that, and the layer, made of the package of rampart
// that does its work. Types is the table of them all.
package plugin

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// Types returns the plugins in the order in which they run: that of Kong's
// priorities, with security-headers outside those that refuse, and usage-plan
// beside rate-limiting. Plans run before usage-plan. A new plugin is a file and a line here.
func Types() conf.Plugins {
	return conf.Plugins{
		{Name: "correlation-id", New: newCorrelationID, Alone: true},
		{Name: "security-headers", New: newSecurityHeaders, Alone: true},
		{Name: "prometheus", New: newPrometheus, Alone: true},
		{Name: "http-log", New: newHTTPLog, Counts: true, Alone: true},
		{Name: "file-log", New: newFileLog, Counts: true, Alone: true},
		{Name: "response-transformer", New: newResponseTransformer, Alone: true},
		{Name: "bot-detection", New: newBotDetection, Alone: true},
		{Name: "cors", New: newCORS, Alone: true},
		{Name: "jwt", New: newJWT},
		{Name: "key-auth", New: newKeyAuth},
		{Name: "basic-auth", New: newBasicAuth},
		{Name: "openid-connect", New: newOpenIDConnect},
		{Name: "ip-restriction", New: newIPRestriction, PerConsumer: true, Alone: true},
		{Name: "request-size-limiting", New: newRequestSizeLimiting, PerConsumer: true, Alone: true},
		{Name: "acl", New: newACL, Alone: true},
		{Name: "usage-plan", New: newUsagePlan, PerConsumer: true, Counts: true},
		{Name: "rate-limiting", New: newRateLimiting, PerConsumer: true, Counts: true},
		{Name: "request-transformer", New: newRequestTransformer, PerConsumer: true, Alone: true},
		{Name: "proxy-cache", New: newProxyCache, PerConsumer: true, Alone: true},
		{Name: "request-termination", New: newRequestTermination, PerConsumer: true, Alone: true},
	}
}

// config is what each New of Types returns.
type config interface {
	layer(p *conf.Plugin, e *Env) (*Layer, error)
}

// A Layer is one use of a plugin.
type Layer struct {
	Handler func(http.Handler) http.Handler
	close   func() // nil: there is nothing to end
}

// Close ends what the layer has started.
func (l *Layer) Close() {
	if l.close != nil {
		l.close()
	}
}

// New returns the layer of p, whose configuration is one of Types.
func New(p *conf.Plugin, e *Env) (*Layer, error) {
	return p.Config.(config).layer(p, e) //nolint:forcetypeassert // each of Types is one
}

// Reason is what a layer could not be made for.
func Reason(err error) string {
	reason := err.Error()
	for m := range rampart.Mistakes(err) { // one is enough
		reason = conf.Naming{}.Text(m)
	}
	return reason
}

// An Env is what plugins need of the gateway.
type Env struct {
	File    *conf.File
	Log     *slog.Logger
	Events  *rampart.Reporter
	Metrics *Metrics
	Proxies rampart.Proxies
	// Shared keeps the counts of policy redis; nil: there is none.
	Shared throttle.Store
	// Kept keeps those of quotas of policy local over a restart; nil: nothing does.
	Kept throttle.Store
	// Passwords checks those of basic-auth.
	Passwords *Passwords
	// Cache is what proxy-cache serves from.
	Cache *Cache
	// Issuers are those of openid-connect.
	Issuers *Issuers

	consumers  map[conf.Ref]*conf.Consumer
	consumerBy map[string]map[string]*conf.Consumer // by field and value
	member     map[conf.Ref][]conf.Ref              // the consumer groups of a consumer
	groups     map[conf.Ref][]string
	keys       *keyStore
	tokens     map[string]*tokenKey
	checked    map[string]map[string]*auth.Verifier // by the claim that finds the key, and the key
	limiters   int
}

// Close ends what the layers share.
func (e *Env) Close() {
	if e != nil {
		e.keys.close()
	}
}

// Prepare reads credentials and groups of e.File, as far as it can. What old has
// read is not read again; old may be nil.
func (e *Env) Prepare(old *Env) conf.Mistakes {
	if old == nil {
		old = &Env{}
	}
	e.consumers, e.groups = map[conf.Ref]*conf.Consumer{}, map[conf.Ref][]string{}
	e.consumerBy = map[string]map[string]*conf.Consumer{"id": {}, "username": {}, "custom_id": {}}
	for _, c := range e.File.Consumers {
		e.consumers[conf.Ref(c.ID)] = c
		e.consumerBy["id"][c.ID], e.consumerBy["username"][c.Username], e.consumerBy["custom_id"][c.CustomID] = c, c, c
	}
	e.member = map[conf.Ref][]conf.Ref{}
	for _, m := range e.File.Memberships {
		e.member[m.Consumer] = append(e.member[m.Consumer], m.Group)
	}
	for _, a := range e.File.ACLs {
		e.groups[a.Consumer] = append(e.groups[a.Consumer], a.Group)
	}
	var mistakes conf.Mistakes
	e.keys, mistakes = newKeyStore(e.File.KeyAuths, old.keys)
	e.tokens = newTokenKeys(e.File.JWTSecrets, old.tokens, e.Log)
	e.checked = map[string]map[string]*auth.Verifier{}
	for claim, verifiers := range old.checked {
		e.checked[claim] = maps.Clone(verifiers)
		maps.DeleteFunc(e.checked[claim], func(key string, _ *auth.Verifier) bool { return e.tokens[key] != old.tokens[key] })
	}
	return mistakes
}

// CountLimiters notes how many limiters f has, before its layers are made.
func (e *Env) CountLimiters(f *conf.File) {
	n, types := 0, Types()
	for _, p := range f.Plugins {
		if types.Named(p.Name).Counts {
			n++
		}
	}
	e.limiters = n
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
	c.Groups, c.Member = e.groups[consumer], e.member[consumer]
}

// anonymous returns the consumer that stands for strangers; nil if there is
// none.
func (e *Env) anonymous(name string) *conf.Consumer {
	return e.File.Consumer(name)
}
