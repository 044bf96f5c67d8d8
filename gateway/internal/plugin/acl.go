package plugin

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// ACL admits or refuses consumers by group.
type ACL struct {
	Allow            []string `k:"allow"`
	Deny             []string `k:"deny"`
	HideGroupsHeader bool     `k:"hide_groups_header"`
}

func newACL() any { return config(&ACL{}) }

// Inert names what Kong has and this gateway has not.
func (*ACL) Inert() map[string]string {
	return map[string]string{"always_use_authenticated_groups": "false", "include_consumer_groups": "false"}
}

// Check looks for mistakes.
func (a *ACL) Check(c *conf.Checks, _ *conf.File) {
	c.Want((len(a.Allow) > 0) != (len(a.Deny) > 0), "config", "one of allow and deny is wanted")
}

// layer goes by the groups of the consumer that an authentication plugin found.
func (a *ACL) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if c.Consumer == nil {
				e.Events.Refused(r, rampart.AuthzFail, "", slog.String("reason", "no_consumer"))
				(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
				return
			}
			in := func(group string) bool { return slices.Contains(c.Groups, group) }
			if slices.ContainsFunc(a.Deny, in) || len(a.Allow) > 0 && !slices.ContainsFunc(a.Allow, in) {
				e.Events.Refused(r, rampart.AuthzFail, "", slog.String("reason", "group"), slog.String("subject", c.Consumer.ID))
				(&rampart.Problem{Status: http.StatusForbidden, Code: "permission_denied"}).Write(w)
				return
			}
			if a.HideGroupsHeader {
				c.Groups = nil
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}
