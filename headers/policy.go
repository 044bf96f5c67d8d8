package headers

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/token"
)

// A policy is a compiled Config. It is never changed.
type policy struct {
	set          *set
	hosts        hostList
	proxies      rampart.Proxies
	probes       []string
	redirect     Redirect
	redirectPort string   // "" or ":8443"
	credentials  []string // canonical
	cookies      *cookieRules
	allowHTTP    bool
	errorHandler func(http.ResponseWriter, *http.Request, error)
	reporter     *rampart.Reporter
}

// newPolicy compiles cfg, or returns every mistake in it. cfg is the caller's
// own copy.
func newPolicy(cfg *Config) (*policy, error) {
	p := &policy{
		hosts:        hostList{any: cfg.DangerouslyAnyHost, literal: map[string]hostPort{}, ports: map[string][]string{}, below: map[string][]string{}},
		probes:       slices.Clone(cfg.ProbePaths),
		redirect:     cfg.Redirect,
		allowHTTP:    cfg.DangerouslyAllowHTTP,
		errorHandler: cfg.ErrorHandler,
		credentials:  []string{"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization"},
	}
	errs := p.compileHosts(cfg)
	errs = append(errs, p.compileTransport(cfg)...)
	errs = append(errs, p.compileRedirect(cfg)...)
	errs = append(errs, cfg.HSTS.check(cfg)...)
	cookies, cookieErrs := newCookieRules(cfg.Cookies)
	p.cookies = cookies
	errs = append(errs, cookieErrs...)
	errs = append(errs, cfg.checkFixed()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.fillIn()
	var err error
	if p.set, err = newSet(cfg); err != nil {
		return nil, err
	}
	if p.errorHandler == nil {
		p.errorHandler = writeError
	}
	return p, nil
}

func (p *policy) compileHosts(cfg *Config) (errs []error) {
	switch {
	case len(cfg.AllowedHosts) == 0 && !cfg.DangerouslyAnyHost:
		errs = append(errs, mistake("AllowedHosts", ReasonMissing, ""))
	case len(cfg.AllowedHosts) > 0 && cfg.DangerouslyAnyHost:
		errs = append(errs, mistake("DangerouslyAnyHost", ReasonConflict, ""))
	}
	for i, pattern := range cfg.AllowedHosts {
		if slices.Contains(cfg.AllowedHosts[:i], pattern) {
			errs = append(errs, mistake("AllowedHosts", ReasonDuplicate, pattern))
		} else if reason := p.hosts.add(pattern); reason != "" {
			errs = append(errs, mistake("AllowedHosts", reason, pattern))
		}
	}
	for _, path := range cfg.ProbePaths {
		if !isProbePath(path) {
			errs = append(errs, mistake("ProbePaths", ReasonInvalid, path))
		}
	}
	return errs
}

func (p *policy) compileTransport(cfg *Config) (errs []error) {
	var err error
	if p.proxies, err = cfg.Proxies.Checked(); err != nil {
		errs = append(errs, err)
	}
	for _, name := range cfg.CredentialHeaders {
		if !token.Valid(name) {
			errs = append(errs, mistake("CredentialHeaders", ReasonInvalid, name))
		}
		p.credentials = append(p.credentials, canonical(name))
	}
	return errs
}

func (p *policy) compileRedirect(cfg *Config) (errs []error) {
	r := cfg.Redirect
	switch r.Status {
	case 0:
		p.redirect.Status = http.StatusPermanentRedirect
	case http.StatusPermanentRedirect, http.StatusMovedPermanently:
	default:
		errs = append(errs, mistake("Redirect.Status", ReasonInvalid, strconv.Itoa(r.Status)))
	}
	port := ""
	switch {
	case r.Port < 0 || r.Port > 65535:
		errs = append(errs, mistake("Redirect.Port", ReasonInvalid, strconv.Itoa(r.Port)))
	case r.Port != 0 && r.Port != 443:
		port = strconv.Itoa(r.Port)
		p.redirectPort = ":" + port
	}
	if (r.Off || cfg.DangerouslyAllowHTTP) && (r.Status != 0 || r.Host != "" || r.Port != 0) {
		errs = append(errs, mistake("Redirect", ReasonPointless, ""))
		return errs
	}
	h, ok := parseHost(r.Host)
	switch {
	case r.Host == "":
	case !ok || h.port != "" || h.name != r.Host:
		errs = append(errs, mistake("Redirect.Host", ReasonInvalid, r.Host))
	case !p.hosts.any && !p.hosts.allows(hostPort{h.name, port}): // it would lead to where the host check refuses
		errs = append(errs, mistake("Redirect.Host", ReasonConflict, r.Host))
	}
	return errs
}

func (h HSTS) check(cfg *Config) (errs []error) {
	if h.MaxAge < 0 || h.MaxAge%time.Second != 0 {
		errs = append(errs, mistake("HSTS.MaxAge", ReasonInvalid, h.MaxAge.String()))
	}
	if h.Off && (h.MaxAge != 0 || h.Subdomains || h.Preload) {
		errs = append(errs, mistake("HSTS.Off", ReasonConflict, ""))
	}
	if h.Preload && (!h.Subdomains || h.maxAge() < oneYear || cfg.Redirect.Off || cfg.DangerouslyAllowHTTP) {
		errs = append(errs, mistake("HSTS.Preload", ReasonConflict, ""))
	}
	return errs
}
