package plugin

import (
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/headers"
)

// SecurityHeaders puts browser protections on responses. It is not Kong's.
type SecurityHeaders struct {
	Preset         string `k:"preset"`       // api or web
	HSTSMaxAge     int    `k:"hsts_max_age"` // seconds; 0: the preset's
	FrameOptions   string `k:"frame_options"`
	ReferrerPolicy string `k:"referrer_policy"`
	CacheControl   string `k:"cache_control"`
	HardenCookies  bool   `k:"harden_cookies"` // those of the upstream
}

func newSecurityHeaders() any { return config(&SecurityHeaders{Preset: "api"}) }

// Check looks for mistakes.
func (s *SecurityHeaders) Check(c *conf.Checks, _ *conf.File) {
	c.OneOf("config.preset", s.Preset, "api", "web")
	c.Within("config.hsts_max_age", s.HSTSMaxAge, 0, 1<<31-1)
	_, err := headers.New(s.settings())
	c.Config(err, conf.Naming{
		"Preset": "preset", "HSTS.MaxAge": "hsts_max_age", "FrameOptions": "frame_options",
		"ReferrerPolicy": "referrer_policy", "CacheControl": "cache_control",
	})
}

// settings returns what package headers makes of s. Hosts and https are the
// routes' business.
func (s *SecurityHeaders) settings() headers.Config {
	cfg := headers.Config{
		Preset:       headers.PresetAPI,
		FrameOptions: s.FrameOptions, ReferrerPolicy: s.ReferrerPolicy, CacheControl: s.CacheControl,
		Cookies:            headers.Cookies{Off: !s.HardenCookies},
		DangerouslyAnyHost: true, DangerouslyAllowHTTP: true,
	}
	if s.Preset == "web" {
		cfg.Preset = headers.PresetWeb
	}
	cfg.HSTS.MaxAge = time.Duration(s.HSTSMaxAge) * time.Second
	return cfg
}

// layer is package headers.
func (s *SecurityHeaders) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	hc := s.settings()
	hc.Logger, hc.Proxies = e.Log, e.Proxies
	h, err := headers.New(hc)
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: h.Handler}, nil
}
