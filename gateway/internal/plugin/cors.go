package plugin

import (
	"slices"
	"time"

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

// Check looks for mistakes.
func (k *CORS) Check(c *conf.Checks, _ *conf.File) {
	c.Want(len(k.Origins) > 0, "config.origins", "missing: Kong would take that for every origin; write [\"*\"] if it is meant")
	c.Want(!k.PreflightContinue, "config.preflight_continue", "preflights are always answered here")
	c.Within("config.max_age", k.MaxAge, 0, 86400)
	if len(k.Origins) > 0 {
		_, err := cors.New(k.settings())
		c.Config(err)
	}
}

// settings returns what package cors makes of k. Kong without headers grants
// whatever a preflight asks for; TRACE and CONNECT no browser asks for.
func (k *CORS) settings() cors.Config {
	allowed := slices.Clone(k.Headers)
	if len(allowed) == 0 {
		allowed = []string{"*", "Authorization"}
	}
	return cors.Config{
		Origins: k.Origins, Credentials: k.Credentials, RequestHeaders: allowed, ResponseHeaders: k.ExposedHeaders,
		Methods: slices.DeleteFunc(slices.Clone(k.Methods), func(m string) bool { return m == "TRACE" || m == "CONNECT" }),
		MaxAge:  time.Duration(k.MaxAge) * time.Second, PrivateNetwork: k.PrivateNetwork,
	}
}

// layer is package cors.
func (k *CORS) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	cc := k.settings()
	cc.Logger = e.Log
	c, err := cors.New(cc)
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: c.Handler}, nil
}
