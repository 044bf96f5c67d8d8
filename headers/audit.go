package headers

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A Finding is a weakness that [Headers.Audit] saw.
type Finding struct {
	ID       string   // stable word, such as "hsts-subdomains"
	Severity Severity // how bad it is
	Path     string   // path of the request, "" if it is about the Config
	Message  string   // sentence for people
	Django   string   // id of the Django check that this stands for, such as "security.W005", or ""
}

// String returns the finding on one line, for a start-up log.
func (f Finding) String() string {
	s := string(f.Severity) + ": " + f.ID
	if f.Path != "" {
		s += " " + f.Path
	}
	s += ": " + f.Message
	if f.Django != "" {
		s += " (" + f.Django + ")"
	}
	return s
}

// A Severity says how bad a [Finding] is.
type Severity string

// Severities.
const (
	SeverityError Severity = "error" // open to attack
	SeverityWarn  Severity = "warn"  // a protection is missing or weak
	SeverityInfo  Severity = "info"  // could be stricter, often on purpose
)

// Audit does what Django's check --deploy does, on the responses as they really
// go out: it sends requests for each of the paths ("/" without any) through
// the layer to next and returns what is weak about the responses, in the order in
// which it was seen, each weakness of a path once. Use it in a test that wants
// no finding above SeverityInfo, or log it at start-up.
//
// It sends GET over https and http, a conditional GET where there is a
// validator, a preflight, and a GET for a path that should not exist. Next may
// hold further layers. A panic of next is a finding too.
func (h *Headers) Audit(next http.Handler, paths ...string) []Finding {
	h.mu.Lock()
	cfg := h.cfg.clone()
	h.mu.Unlock()
	a := &audit{cfg: &cfg, host: auditHost(&cfg), layer: h.Handler(next), head: h}
	if h.policy.Load() == nil {
		a.find("unset", SeverityError, "", "", "the zero Headers refuses every request")
		return a.findings
	}
	a.transport()
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	for _, path := range paths {
		a.path(path)
	}
	a.examine("/rampart-audit-no-such-path", "a 404", a.send(http.MethodGet, "/rampart-audit-no-such-path", true, nil), true)
	return a.findings
}

// audit is one run of Audit.
type audit struct {
	cfg      *Config
	host     string
	head     *Headers
	layer    http.Handler
	findings []Finding
}

func (a *audit) find(id string, severity Severity, django, path, format string, args ...any) {
	f := Finding{ID: id, Severity: severity, Path: path, Message: fmt.Sprintf(format, args...), Django: django}
	if !slices.ContainsFunc(a.findings, func(g Finding) bool { return g.ID == id && g.Path == path && g.Severity == severity }) {
		a.findings = append(a.findings, f)
	}
}

// auditHost returns a Host that the layer admits.
func auditHost(cfg *Config) string {
	if len(cfg.AllowedHosts) == 0 {
		return "audit.example"
	}
	host := strings.TrimSuffix(cfg.AllowedHosts[0], ":*")
	if below, ok := strings.CutPrefix(host, "*."); ok {
		return "audit." + below
	}
	return host
}

// transport looks at what no handler decides.
func (a *audit) transport() {
	if a.cfg.DangerouslyAnyHost {
		a.find("hosts-any", SeverityError, "security.W020", "", "DangerouslyAnyHost: the client chooses the host of absolute URLs")
	}
	if v, _ := a.head.Check(a.request(http.MethodPost, "/", false)); v.Action == Serve {
		a.find("http-served", SeverityError, "security.W008", "", "plain http is served to strangers")
	}
	// Addresses of the documentation networks and of the public internet: no
	// proxy of ours has one.
	for _, stranger := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "1.1.1.1", "8.8.8.8", "2001:db8::1", "2606:4700::1111"} {
		r := a.request(http.MethodPost, "/", false)
		r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(stranger), 1024).String()
		header := a.cfg.Proxies.SchemeHeader
		if header == "" {
			header = "X-Forwarded-Proto"
		}
		value := "https"
		if canonical(header) == "Forwarded" {
			value = "proto=https"
		}
		r.Header.Set(header, value)
		if v, _ := a.head.Check(r); v.Scheme == "https" {
			a.find("proxy-trust", SeverityError, "", "", "%s of the stranger %s is believed: Proxies is too wide", header, stranger)
		}
	}
}

// path looks at the responses for one path.
func (a *audit) path(path string) {
	got := a.send(http.MethodGet, path, true, nil)
	a.examine(path, "the answer", got, true)
	validators := http.Header{}
	if tag := got.header.Get("ETag"); tag != "" {
		validators.Set("If-None-Match", tag)
	}
	if date := got.header.Get("Last-Modified"); date != "" {
		validators.Set("If-Modified-Since", date)
	}
	if len(validators) > 0 {
		a.examine(path, "the answer to a conditional request", a.send(http.MethodGet, path, true, validators), true)
	}
	a.examine(path, "the answer to a preflight", a.send(http.MethodOptions, path, true, http.Header{
		"Origin":                         {"https://audit.example"},
		"Access-Control-Request-Method":  {"PUT"},
		"Access-Control-Request-Headers": {"authorization"},
	}), true)
	a.examine(path, "the answer over plain http", a.send(http.MethodGet, path, false, nil), false)
}

func (a *audit) request(method, path string, https bool) *http.Request {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		u = &url.URL{Path: path}
	}
	r := (&http.Request{
		Method: method, URL: u, RequestURI: path, Host: a.host, RemoteAddr: "192.0.2.1:1024",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header), Body: http.NoBody,
	}).WithContext(context.Background())
	if https {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS13}
	}
	return r
}

// sent is a response as a client gets it.
type sent struct {
	header   http.Header // as it was when the final status was written
	live     http.Header
	status   int
	size     int
	panicked bool
}

func (s *sent) Header() http.Header { return s.live }

func (s *sent) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status, s.header = status, s.live.Clone()
	}
}

func (s *sent) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	s.size += len(b)
	return len(b), nil
}

// send sends one request through the layer.
func (a *audit) send(method, path string, https bool, header http.Header) (got *sent) {
	got = &sent{live: make(http.Header)}
	r := a.request(method, path, https)
	maps.Copy(r.Header, header)
	defer func() {
		got.panicked = recover() != nil
		if got.panicked {
			got.WriteHeader(http.StatusInternalServerError) // as a recover further out does
		}
		got.WriteHeader(http.StatusOK)
	}()
	a.layer.ServeHTTP(got, r)
	return got
}
