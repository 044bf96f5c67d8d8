package headers

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/unrolled/secure"
)

// compile has unrolled/secure render the headers that it knows, once over http
// and once over https, by running it against one probe request each. No
// request of a client ever reaches it: its host check takes regexps as ^%s$,
// its proxy check believes any client, an absolute-form "https://" target
// counts as https for it, and its refusals carry none of the headers.
func compile(cfg *Config) (overHTTP, overHTTPS http.Header, err error) {
	opt := secure.Options{
		ContentTypeNosniff:              true,
		CustomBrowserXssValue:           "0",
		XDNSPrefetchControl:             "off",
		XPermittedCrossDomainPolicies:   "none",
		CustomFrameOptionsValue:         unlessOff(cfg.FrameOptions),
		ReferrerPolicy:                  unlessOff(cfg.ReferrerPolicy),
		CrossOriginOpenerPolicy:         unlessOff(cfg.OpenerPolicy),
		CrossOriginEmbedderPolicy:       unlessOff(cfg.EmbedderPolicy),
		CrossOriginResourcePolicy:       unlessOff(cfg.ResourcePolicy),
		PermissionsPolicy:               cfg.Permissions.render(),
		ContentSecurityPolicy:           cfg.CSP.render().plain,
		ContentSecurityPolicyReportOnly: cfg.CSPReportOnly.render().plain,
	}
	if !cfg.HSTS.Off {
		opt.STSSeconds = int64(cfg.HSTS.maxAge() / time.Second)
		opt.STSIncludeSubdomains = cfg.HSTS.Subdomains
		opt.STSPreload = cfg.HSTS.Preload
	}
	s := secure.New(opt)
	probe := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: make(http.Header)}
	if overHTTP, _, err = s.ProcessNoModifyRequest(nil, probe); err != nil {
		return nil, nil, err
	}
	probe.TLS = &tls.ConnectionState{}
	overHTTPS, _, err = s.ProcessNoModifyRequest(nil, probe)
	return overHTTP, overHTTPS, err
}

func unlessOff(value string) string {
	if value == Off {
		return ""
	}
	return value
}

func (h HSTS) maxAge() time.Duration {
	if h.MaxAge == 0 {
		return oneYear
	}
	return h.MaxAge
}

const oneYear = 365 * 24 * time.Hour
