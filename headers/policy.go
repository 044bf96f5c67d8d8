package headers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
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
	canonical    string   // "" if none is
	ownFirst     bool     // https on the request's own host comes before the canonical one
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
	bad := conferr.For("headers.Config")
	p.compileHosts(cfg, bad)
	p.compileTransport(cfg, bad)
	p.compileRedirect(cfg, bad)
	p.compileCanonical(cfg, bad)
	cfg.HSTS.check(cfg, bad)
	p.cookies = newCookieRules(cfg.Cookies, bad)
	cfg.checkFixed(bad)
	if err := bad.Err(); err != nil {
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

func (p *policy) compileHosts(cfg *Config, bad *conferr.Mistakes) {
	listed := len(cfg.AllowedHosts) > 0
	bad.If(!listed && !cfg.DangerouslyAnyHost, "AllowedHosts", rampart.ReasonMissing, nil,
		`list the names under which this server is reached, such as "app.example.com"`)
	bad.If(listed && cfg.DangerouslyAnyHost, "DangerouslyAnyHost", rampart.ReasonConflict, nil,
		"it makes AllowedHosts useless; leave one of the two empty")
	for i, pattern := range cfg.AllowedHosts {
		if slices.Contains(cfg.AllowedHosts[:i], pattern) {
			bad.Add("AllowedHosts", rampart.ReasonDuplicate, pattern, conferr.WantOnce)
		} else if reason, want := p.hosts.add(pattern); reason != "" {
			bad.Add("AllowedHosts", reason, pattern, want)
		}
	}
	for _, path := range cfg.ProbePaths {
		bad.If(!isProbePath(path), "ProbePaths", rampart.ReasonInvalid, path, `a path starts with a slash and needs no escaping, such as "/healthz"`)
	}
}

func (p *policy) compileTransport(cfg *Config, bad *conferr.Mistakes) {
	var err error
	p.proxies, err = cfg.Proxies.Checked()
	bad.Join(err)
	for _, name := range cfg.CredentialHeaders {
		bad.If(!token.Valid(name), "CredentialHeaders", rampart.ReasonInvalid, name, conferr.WantHeader)
		p.credentials = append(p.credentials, canonical(name))
	}
}

func (p *policy) compileRedirect(cfg *Config, bad *conferr.Mistakes) {
	r := cfg.Redirect
	switch r.Status {
	case 0:
		p.redirect.Status = http.StatusPermanentRedirect
	case http.StatusPermanentRedirect, http.StatusMovedPermanently:
	default:
		bad.Add("Redirect.Status", rampart.ReasonInvalid, r.Status, "use 308, or 301 for clients that do not know 308")
	}
	port := ""
	switch {
	case r.Port < 0 || r.Port > 65535:
		bad.Add("Redirect.Port", rampart.ReasonInvalid, r.Port, "a port is 1 to 65535; 0 means 443")
	case r.Port != 0 && r.Port != 443:
		port = strconv.Itoa(r.Port)
		p.redirectPort = ":" + port
	}
	if (r.Off || cfg.DangerouslyAllowHTTP) && (r.Status != 0 || r.Host != "" || r.Port != 0) {
		bad.Add("Redirect", rampart.ReasonPointless, nil, "nothing is redirected with Redirect.Off or DangerouslyAllowHTTP; leave Status, Host and Port empty")
		return
	}
	h, ok := parseHost(r.Host)
	switch {
	case r.Host == "":
	case !ok || h.port != "" || h.name != r.Host:
		bad.Add("Redirect.Host", rampart.ReasonInvalid, r.Host, `a host name in lower case without scheme and port, such as "app.example.com"; the port goes into Redirect.Port`)
	case !p.hosts.admits(hostPort{h.name, port}): // it would lead to where the host check refuses
		bad.Add("Redirect.Host", rampart.ReasonConflict, r.Host, "add it to AllowedHosts, with Redirect.Port if that is set")
	}
}

func (p *policy) compileCanonical(cfg *Config, bad *conferr.Mistakes) {
	name := cfg.CanonicalHost
	if name == "" {
		return
	}
	p.canonical, p.ownFirst = name, cfg.HSTS.Preload
	h, ok := parseHost(name)
	if !ok || h.name != name || h.port != "" {
		bad.Add("CanonicalHost", rampart.ReasonInvalid, name, `a host name in lower case without scheme and port, such as "example.com"`)
		return
	}
	allowed := p.hosts.any || p.hosts.named(name)
	if !cfg.Redirect.Off && !cfg.DangerouslyAllowHTTP {
		allowed = p.hosts.admits(hostPort{name, strings.TrimPrefix(p.redirectPort, ":")})
	}
	bad.If(!allowed, "CanonicalHost", rampart.ReasonConflict, name, "add it to AllowedHosts, with Redirect.Port if that is set")
	bad.If(cfg.Redirect.Host != "", "Redirect.Host", rampart.ReasonConflict, cfg.Redirect.Host, "plain http goes to the CanonicalHost; leave Redirect.Host empty")
	bad.If(!p.hosts.any && len(cfg.AllowedHosts) == 1 && cfg.AllowedHosts[0] == name, "CanonicalHost", rampart.ReasonPointless, name,
		"no other host is allowed, so none is redirected; add the others to AllowedHosts")
}

func (h HSTS) check(cfg *Config, bad *conferr.Mistakes) {
	bad.If(h.MaxAge < 0 || h.MaxAge%time.Second != 0, "HSTS.MaxAge", rampart.ReasonInvalid, h.MaxAge, "use whole seconds, such as 8760h; 0 means two years")
	bad.If(h.Off && (h.MaxAge != 0 || h.Subdomains || h.Preload), "HSTS.Off", rampart.ReasonConflict, nil,
		"Off sends no header; leave MaxAge, Subdomains and Preload empty, or Off false")
	bad.If(h.Preload && (!h.Subdomains || h.maxAge() < oneYear || cfg.Redirect.Off || cfg.DangerouslyAllowHTTP), "HSTS.Preload", rampart.ReasonConflict, nil,
		"browsers preload only with Subdomains, a MaxAge of at least 8760h (one year) and the redirect to https")
}
