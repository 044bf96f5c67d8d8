package headers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/forwarded"
)

// An Action is what [Headers.Handler] does with a request.
type Action uint8

// Actions. The zero Action is not one of them.
const (
	Serve          Action = iota + 1 // next runs
	RedirectHTTPS                    // to Verdict.Location
	RefuseHost                       // 400
	RefuseInsecure                   // 403
	RedirectHost                     // to Verdict.Location, on the CanonicalHost
)

// String returns the action's name.
func (a Action) String() string {
	switch a {
	case Serve:
		return "serve"
	case RedirectHTTPS:
		return "redirect_https"
	case RefuseHost:
		return "refuse_host"
	case RefuseInsecure:
		return "refuse_insecure"
	case RedirectHost:
		return "redirect_host"
	default:
		return "none"
	}
}

// A Verdict is the decision about one request.
type Verdict struct {
	Scheme   string // "https" or "http", as the client reached us
	Host     string // in lower case, without a trailing dot, with the port if one was sent; "" if refused, or for a probe
	Action   Action
	Location string // for RedirectHTTPS and RedirectHost
}

// decision is a Verdict before any text is built for it.
type decision struct {
	https  bool
	host   hostPort
	action Action
}

func (d decision) scheme() string {
	if d.https {
		return "https"
	}
	return "http"
}

// decide looks at the host, then at the scheme.
func (p *policy) decide(r *http.Request) (decision, error) {
	d := decision{https: p.proxies.HTTPS(r), action: Serve}
	if p.isProbe(r) {
		return d, nil
	}
	asked := p.proxies.Host(r)
	host, reason := p.hosts.match(asked)
	if reason != "" {
		d.action = RefuseHost
		return d, &HostError{Host: asked, Reason: reason}
	}
	d.host = host
	if d.https || p.allowHTTP || p.isLocal(r, host) {
		if p.leadsToCanonical(r, d) {
			d.action = RedirectHost
		}
		return d, nil
	}
	if err := p.refusesRedirect(r); err != nil {
		d.action = RefuseInsecure
		return d, err
	}
	d.action = RedirectHTTPS
	return d, nil
}

func (p *policy) isProbe(r *http.Request) bool {
	return len(p.probes) > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.URL.RawPath == "" && slices.Contains(p.probes, r.URL.Path)
}

// isLocal reports whether the client is on this machine. Behind a proxy on the
// same machine every peer is loopback, so the peer's address alone proves
// nothing: see [Redirect.NoLoopback].
func (p *policy) isLocal(r *http.Request, host hostPort) bool {
	if p.redirect.NoLoopback || !host.isLoopback() || !r.ProtoAtLeast(1, 1) {
		return false
	}
	return rampart.PeerAddr(r).IsLoopback() && !p.proxies.Trusts(r) && !p.forwarded(r.Header)
}

// refusesRedirect says why a plain http request must not be redirected: what
// it carried was on the wire already, and a redirect would teach its client
// nothing. A preflight is refused too, for browsers follow no redirect there.
func (p *policy) refusesRedirect(r *http.Request) error {
	if e := p.misled(r); e != nil {
		return e
	}
	if name := p.credentialIn(r.Header); name != "" {
		return &InsecureError{Reason: InsecureCredentials, Header: name}
	}
	reason := unfit(r)
	if reason == "" && p.redirect.Off {
		reason = InsecureNoRedirect
	}
	if reason == "" {
		return nil
	}
	return &InsecureError{Reason: reason}
}

// unfit returns why r must not be redirected, or "".
func unfit(r *http.Request) rampart.Denial {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return InsecureMethod
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return InsecureBody
	case len(r.Header["Upgrade"]) > 0:
		return InsecureUpgrade
	case r.URL.Opaque != "" || r.URL.Path != "" && r.URL.Path[0] != '/':
		return InsecureTarget
	default:
		return ""
	}
}

// misled tells of a proxy that says https and is not believed. To redirect its client
// would send it to the very URL that it asked for, again and again.
func (p *policy) misled(r *http.Request) error {
	field := forwarded.Field(r)
	if p.proxies.Trusts(r) {
		if field = "Proxies.SchemeHeader"; len(r.Header[cmp.Or(http.CanonicalHeaderKey(p.proxies.SchemeHeader), "X-Forwarded-Proto")]) > 0 {
			return nil // that the client spoke http is its word
		}
	}
	if name := p.tellsHTTPS(r.Header); name != "" {
		return &InsecureError{Reason: InsecureUntrusted, Header: name, Field: field}
	}
	return nil
}

func (p *policy) credentialIn(h http.Header) string {
	for _, name := range p.credentials {
		if len(h[name]) > 0 {
			return name
		}
	}
	return ""
}

// location builds the redirect's target from the allowed host and the escaped
// path, so that "//evil.example" and "\evil" stay paths on it.
func (p *policy) location(d decision, u *url.URL) string {
	var b strings.Builder
	if d.action == RedirectHost {
		b.WriteString(d.scheme() + "://" + p.onCanonical(d).String())
	} else {
		name := p.redirect.Host
		if name == "" && !p.ownFirst && !d.host.isLoopback() {
			name = p.canonical
		}
		b.WriteString("https://" + cmp.Or(name, d.host.name) + p.redirectPort)
	}
	if path := u.EscapedPath(); path == "" {
		b.WriteByte('/')
	} else {
		escapeInto(&b, path)
	}
	if u.RawQuery != "" || u.ForceQuery {
		b.WriteByte('?')
		escapeInto(&b, u.RawQuery)
	}
	return b.String()
}

// escapeInto writes s with every byte escaped that cannot stand in a URL (RFC
// 3986 section 2): net/url lets some of them through in a query.
func escapeInto(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
}

// Check returns what Handler would do with r. The error is nil for Serve,
// RedirectHTTPS and RedirectHost, a [*HostError] for RefuseHost and an [*InsecureError] for
// RefuseInsecure. It neither logs nor responds.
func (h *Headers) Check(r *http.Request) (Verdict, error) {
	p := h.policy.Load()
	if p == nil {
		return Verdict{Scheme: "http", Action: RefuseHost}, &HostError{Host: r.Host, Reason: HostUnset}
	}
	d, err := p.decide(r)
	v := Verdict{Scheme: d.scheme(), Host: d.host.String(), Action: d.action}
	if d.action == RedirectHTTPS || d.action == RedirectHost {
		v.Location = p.location(d, r.URL)
	}
	return v, err
}
