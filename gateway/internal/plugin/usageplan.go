package plugin

import (
	"errors"
	"net/http"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// UsagePlan is the short form of a plan: for each credential, and for the requests
// that the plugin is for. It is not Kong's.
type UsagePlan struct {
	conf.Usage `k:",inline"`
}

func newUsagePlan() any { return config(&UsagePlan{conf.NewUsage()}) }

// Check looks for mistakes.
func (u *UsagePlan) Check(c *conf.Checks, _ *conf.File) { u.CheckUsage(c, "config.", false) }

// layer gives each credential a rate with a burst, and quotas.
func (u *UsagePlan) layer(p *conf.Plugin, e *Env) (*Layer, error) {
	byIP := throttle.ByIP(clientAddr)
	key := func(dst []byte, r *http.Request) ([]byte, bool) {
		c := call.From(r.Context())
		switch {
		case c.Credential != "":
			return append(append(dst, "credential:"...), c.Credential...), true
		case c.Consumer != nil:
			return append(append(dst, "consumer:"...), c.Consumer.ID...), true
		}
		return byIP(dst, r)
	}
	m, err := newMeter(&u.Usage, nil, key, throttle.NewMemory(localKeys(e.limiters)), p.ID+"/", e)
	if errors.Is(err, errNoRedis) {
		err = conf.Mistakes{p.Mistake("config.policy", err.Error())}
	}
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: m.handler}, nil
}
