package plugin

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// CORS lets pages of other origins read responses.
type CORS struct {
	Origins           []string `k:"origins"`
	Methods           []string `k:"methods"`
	Headers           []string `k:"headers"`
	ExposedHeaders    []string `k:"exposed_headers"`
	Credentials       bool     `k:"credentials"`
	MaxAge            int      `k:"max_age"` // seconds
	PreflightContinue bool     `k:"preflight_continue"`
	PrivateNetwork    bool     `k:"private_network"`
}

func newCORS() any {
	return config(&CORS{Methods: []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"}})
}

// Inert names what Kong has and this gateway has not.
func (*CORS) Inert() map[string]string { return map[string]string{"allow_origin_absent": "true"} }

// naming says what Kong calls the fields of a cors.Config.
func (*CORS) naming() conf.Naming {
	return conf.Naming{
		"Origins": "origins", "Methods": "methods", "RequestHeaders": "headers", "ResponseHeaders": "exposed_headers",
		"Credentials": "credentials", "MaxAge": "max_age", "PrivateNetwork": "private_network",
	}
}

// maxAge is what no browser goes beyond.
const maxAge = 86400

// Check looks for mistakes.
func (k *CORS) Check(c *conf.Checks, _ *conf.File) {
	_, idle, err := k.settings()
	for _, m := range idle {
		c.Note("config."+k.naming()[m.Field], "%q changes nothing: %s", m.Value, m.Want)
	}
	if len(k.Origins) == 0 {
		c.Note("config.origins", "missing, which lets pages of every origin read answers, as in Kong; list the origins, or write [\"*\"] if that is meant")
	}
	if k.MaxAge > maxAge {
		c.Note("config.max_age", "browsers keep it for a day at most: %d takes effect", maxAge)
	}
	c.Want(!k.PreflightContinue, "config.preflight_continue", "preflights are always answered here: leave it out, or false")
	c.Want(k.MaxAge >= 0, "config.max_age", "must be 0 or more")
	c.Config(err, k.naming())
}

// settings returns what package cors makes of k, what of k no browser ever asks for,
// which is left out of it, and what is wrong with the rest. Kong without headers grants whatever a preflight asks
// for; TRACE and CONNECT no browser asks for.
func (k *CORS) settings() (cors.Config, []*rampart.ConfigError, error) {
	allowed := slices.Clone(k.Headers)
	if len(allowed) == 0 {
		allowed = []string{"*", "Authorization"}
	}
	cfg := cors.Config{
		Origins: k.origins(), Credentials: k.Credentials, RequestHeaders: allowed, ResponseHeaders: slices.Clone(k.ExposedHeaders),
		Methods: slices.DeleteFunc(slices.Clone(k.Methods), func(m string) bool { return m == "TRACE" || m == "CONNECT" }),
		MaxAge:  time.Duration(min(max(k.MaxAge, 0), maxAge)) * time.Second, PrivateNetwork: k.PrivateNetwork,
	}
	_, err := cors.New(cfg)
	var idle []*rampart.ConfigError
	for m := range rampart.Mistakes(err) {
		if m.Reason != cors.ReasonForbidden && m.Reason != rampart.ReasonPointless {
			continue
		}
		idle = append(idle, m)
		for field, list := range map[string]*[]string{"RequestHeaders": &cfg.RequestHeaders, "ResponseHeaders": &cfg.ResponseHeaders, "Methods": &cfg.Methods} {
			if field == m.Field {
				*list = slices.DeleteFunc(*list, func(s string) bool { return s == m.Value })
			}
		}
	}
	if len(idle) > 0 {
		_, err = cors.New(cfg)
	}
	return cfg, idle, err
}

// origins returns the origins as browsers send them: without the port that their
// scheme has anyway, and in lower case. As in Kong, a name without a scheme stands
// for both, and none at all for everybody.
func (k *CORS) origins() []string {
	if len(k.Origins) == 0 {
		return []string{"*"}
	}
	var out []string
	for _, o := range k.Origins {
		scheme, host, ok := strings.Cut(strings.ToLower(o), "://")
		host = strings.TrimSuffix(host, "/")
		switch {
		case ok && (scheme == "http" || scheme == "https"):
			out = append(out, scheme+"://"+strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[scheme]))
		case !ok && bareHost.MatchString(o):
			out = append(out, "http://"+strings.ToLower(o), "https://"+strings.ToLower(o))
		default:
			out = append(out, o)
		}
	}
	return out
}

// bareHost is a name that is no mere word, and perhaps a port.
var bareHost = regexp.MustCompile(`^(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)(:[0-9]+)?$`) // read-only

// layer is package cors.
func (k *CORS) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	cc, _, err := k.settings()
	if err != nil {
		return nil, err
	}
	cc.Logger = e.Log
	c, err := cors.New(cc)
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: c.Handler}, nil
}
