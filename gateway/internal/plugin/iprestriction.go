package plugin

import (
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// IPRestriction admits or refuses clients by address.
type IPRestriction struct {
	Allow   []string `k:"allow"`
	Deny    []string `k:"deny"`
	Status  int      `k:"status"`
	Message string   `k:"message"`
}

func newIPRestriction() any { return config(&IPRestriction{}) }

// Check looks for mistakes.
func (i *IPRestriction) Check(c *conf.Checks, _ *conf.File) {
	c.Want(len(i.Allow)+len(i.Deny) > 0, "config", "at least one of allow and deny is wanted")
	prefix := func(s string) bool { _, err := conf.Prefix(s); return err == nil }
	c.Each("config.allow", i.Allow, prefix, "an address or prefix")
	c.Each("config.deny", i.Deny, prefix, "an address or prefix")
	c.Want(i.Status == 0 || i.Status >= 400 && i.Status <= 599, "config.status", "must be from 400 to 599")
}

// layer is package ipfilter.
func (i *IPRestriction) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	ic := ipfilter.Config{ClientIP: clientAddr, Logger: e.Log}
	for to, from := range map[*[]netip.Prefix][]string{&ic.Allow: i.Allow, &ic.Deny: i.Deny} {
		for _, s := range from {
			p, err := conf.Prefix(s)
			if err != nil {
				return nil, err
			}
			*to = append(*to, p)
		}
	}
	if i.Status != 0 || i.Message != "" {
		problem := &rampart.Problem{Status: max(i.Status, http.StatusForbidden), Code: "address_denied", Detail: i.Message}
		if i.Status != 0 {
			problem.Status = i.Status
		}
		ic.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { problem.Write(w) }
	}
	f, err := ipfilter.New(ic)
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: f.Handler}, nil
}
