package headers

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/weborigin"
)

// A CSRFConfig configures a [CSRF]. The zero value protects a server whose
// pages are all of its own origin.
type CSRFConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// TrustedOrigins lists the other origins whose pages may send requests,
	// exactly as browsers write them: "https://admin.example.com". As in package cors,
	// "https://*.example.com" is every name below example.com, never itself, and
	// "http://localhost:*" any port. Trust only what is yours: a pattern at or above a
	// public suffix (https://*.github.io) is refused, and each name below another one
	// can send requests with your visitors' cookies, an abandoned one too.
	TrustedOrigins []string

	// DangerouslyExempt lists [http.ServeMux] patterns of requests that are not
	// checked, such as "POST /webhooks/". Any page can send a request there
	// with its visitor's cookies, so the handler must not go by them. A path in which
	// a dot, a slash or a backslash is encoded, however often, and one with a
	// backslash, an empty segment or a dot segment is never exempt: another reader of
	// the path may take it for another one.
	DangerouslyExempt []string

	// RequireSignal refuses an unsafe method that comes with a cookie but with
	// neither Sec-Fetch-Site nor Origin. Browsers of before 2020 send such
	// requests, and so do programs that keep cookies.
	RequireSignal bool

	// ErrorHandler responds to a refused request; err is a [*CSRFError]. nil:
	// 403 with the code csrf_failed, as application/problem+json.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the event malicious_csrf; nil means [slog.Default].
	Logger *slog.Logger
}

// CSRF refuses requests that another site's page sends with its visitor's
// cookies. It goes by [http.CrossOriginProtection] (Sec-Fetch-Site, else Origin
// against Host) and refuses what that admits:
//
//   - a WebSocket or other upgrade from another site, which is a GET;
//   - two Origin or Sec-Fetch-Site lines, of which it reads the first;
//   - an Origin that no browser writes, such as "//host" or "https://me@host",
//     of which it compares the host alone;
//   - an http origin of the same host, on an https request whose browser sends
//     no Sec-Fetch-Site: anybody on the wire can write that page;
//   - with RequireSignal, a cookie without any sign of where it comes from.
//
// GET, HEAD and OPTIONS without an upgrade pass: a handler must not change
// anything on them. CSRF is safe for concurrent use. The zero value refuses
// every request. Create one with [NewCSRF].
type CSRF struct{ policy atomic.Pointer[csrfPolicy] }

// csrfPolicy is a compiled CSRFConfig.
type csrfPolicy struct {
	std           *http.CrossOriginProtection
	trusted       weborigin.Matcher
	exempt        *http.ServeMux // nil if nothing is
	requireSignal bool
	errorHandler  func(http.ResponseWriter, *http.Request, error)
	log           *slog.Logger
	reporter      *rampart.Reporter
}

// Reasons of a [*CSRFError]: why a request was taken for a forged one.
const (
	CSRFCrossOrigin rampart.Denial = "cross_origin" // a page of an origin that is not trusted
	CSRFAmbiguous   rampart.Denial = "ambiguous"    // two lines of a header that browsers send once
	CSRFMalformed   rampart.Denial = "malformed"    // an Origin or Sec-Fetch-Site that no browser writes
	CSRFInsecure    rampart.Denial = "insecure"     // the same host over plain http
	CSRFNoSignal    rampart.Denial = "no_signal"    // RequireSignal
	CSRFUnset       rampart.Denial = "unset"        // the zero CSRF admits none
)

// A CSRFError says why [CSRF.Check] refused a request.
type CSRFError struct {
	Origin string         // as sent; "" if there was none
	Reason rampart.Denial // one of the constants above
}

// Error implements error.
func (e *CSRFError) Error() string {
	return fmt.Sprintf("headers: csrf: origin %q: %s", e.Origin, e.Reason)
}

// Denial implements [rampart.Refusal].
func (e *CSRFError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal].
func (e *CSRFError) Problem() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusForbidden, Code: "csrf_failed", Detail: "Request forgery protection refused this request."}
}

// NewCSRF returns a CSRF that behaves as cfg says, or every mistake in cfg,
// each a [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func NewCSRF(cfg CSRFConfig) (*CSRF, error) {
	c := new(CSRF)
	if err := c.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// Reconfigure makes c behave as cfg says from the next request on. On an
// error, which holds every mistake, nothing changes.
func (c *CSRF) Reconfigure(cfg CSRFConfig) error {
	p := &csrfPolicy{
		std:           http.NewCrossOriginProtection(),
		requireSignal: cfg.RequireSignal,
		errorHandler:  cfg.ErrorHandler,
		log:           cfg.Logger,
	}
	bad := conferr.For("headers.CSRFConfig")
	for i, origin := range cfg.TrustedOrigins {
		pattern, ok := weborigin.ParsePattern(origin)
		if ok {
			_, ok = parseOrigin(pattern.Base.String())
		}
		switch {
		case !ok:
			bad.Add("TrustedOrigins", rampart.ReasonInvalid, origin, wantOrigin)
		case pattern.Base.Insecure():
			bad.Add("TrustedOrigins", rampart.ReasonUnsafe, origin, "anyone on the network can change a page over http; use its https origin")
		case pattern.Open():
			bad.Add("TrustedOrigins", rampart.ReasonTooWide, origin, "anyone can register a name there; write the label before it too")
		case slices.Contains(cfg.TrustedOrigins[:i], origin):
			bad.Add("TrustedOrigins", rampart.ReasonDuplicate, origin, conferr.WantOnce)
		default:
			p.trusted.Add(pattern)
		}
	}
	for _, pattern := range cfg.DangerouslyExempt {
		if p.exempt == nil {
			p.exempt = http.NewServeMux()
		}
		bad.If(!handle(p.exempt, pattern), "DangerouslyExempt", rampart.ReasonInvalid, pattern,
			`use a pattern of http.ServeMux that conflicts with no other, such as "POST /webhooks/{name}"`)
	}
	if err := bad.Err(); err != nil {
		return err
	}
	if p.errorHandler == nil {
		p.errorHandler = writeError
	}
	if old := c.policy.Load(); old != nil && old.log == cfg.Logger {
		p.reporter = old.reporter
	} else {
		p.reporter = rampart.NewReporter(cfg.Logger, "headers")
	}
	c.policy.Store(p)
	return nil
}

// exemption marks the patterns of DangerouslyExempt, apart from ServeMux's own
// redirects to them.
type exemption struct{ _ byte }

func (*exemption) ServeHTTP(http.ResponseWriter, *http.Request) {}

// handle registers pattern, and reports whether ServeMux took it: it panics on a
// malformed one and on one that conflicts with another.
func handle(mux *http.ServeMux, pattern string) (ok bool) {
	defer func() { ok = recover() == nil }()
	mux.Handle(pattern, new(exemption))
	return true
}

// parseOrigin reads an http or https origin as browsers serialize it (HTML
// standard, "serialization of an origin"): in lower case, without the scheme's
// own port, and with nothing behind the port.
func parseOrigin(origin string) (scheme string, ok bool) {
	scheme, host, ok := strings.Cut(origin, "://")
	defaultPort := map[string]string{"https": "443", "http": "80"}[scheme]
	if !ok || defaultPort == "" {
		return "", false
	}
	h, ok := parseHost(host)
	return scheme, ok && h.String() == host && h.port != defaultPort
}

// Check returns nil if r is admitted and a [*CSRFError] otherwise. It neither
// logs nor responds.
func (c *CSRF) Check(r *http.Request) error {
	p := c.policy.Load()
	if p == nil {
		return &CSRFError{Origin: r.Header.Get("Origin"), Reason: CSRFUnset}
	}
	return p.check(r)
}

// Handler returns a handler that serves admitted requests with next.
func (c *CSRF) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := c.Check(r)
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		p := c.policy.Load()
		if p == nil {
			writeError(w, r, err)
			return
		}
		reason := rampart.Denial("")
		if e, ok := errors.AsType[*CSRFError](err); ok {
			reason = e.Reason
		}
		p.reporter.Refused(r, rampart.MaliciousCSRF, "", rampart.Text("reason", string(reason)), rampart.Text("origin", r.Header.Get("Origin")))
		p.errorHandler(w, r, err)
	})
}
