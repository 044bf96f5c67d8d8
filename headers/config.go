package headers

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
)

// A Config configures a [Headers]. AllowedHosts is required; the zero value of
// every other field is a safe default. [API] and [Web] return Configs with the
// presets spelled out.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// AllowedHosts lists the names under which this server is reached:
	// "api.example.com"; "*.example.com" for every name below it, at any depth;
	// "[2001:db8::1]". Without a port, 80, 443 and no port are admitted;
	// "localhost:8080" admits that port only, and "localhost:*" any. A request
	// for another Host is refused with 400.
	AllowedHosts []string

	// CanonicalHost is the one of the AllowedHosts that pages are to be found under:
	// "example.com" sends www.example.com there, "www.example.com" the reverse. It is a
	// name without a port, and the name alone counts. "" redirects none.
	//
	// A GET or HEAD to any other allowed host is redirected, with Redirect.Status, to
	// the same path, scheme and port; plain http to https and this host at once, but to
	// https on its own host first with HSTS.Preload, as the preload list demands
	// (hstspreload.org). What a redirect would break is served where it is: other
	// methods, bodies, upgrades and requests with an Origin; so are loopback names,
	// what ProbePaths lists, and ports under which AllowedHosts has not this host. Hosts
	// that are to stay apart, such as api.example.com, need a Headers of their own.
	//
	// A proxy that changes Host would make the redirect go on for ever: where
	// X-Forwarded-Host or its like names this host, none happens. Better let the proxy
	// pass Host on, or set Proxies.HostHeader.
	CanonicalHost string

	// Preset is where the fixed headers come from that are not set below;
	// 0 means PresetAPI.
	Preset Preset

	// ProbePaths lists exact paths that are served to GET and HEAD before the
	// host and https checks, such as "/healthz": load balancers ask by address,
	// over plain http. Their handlers must not use the request's Host.
	ProbePaths []string

	// Proxies are those that are believed about the scheme and the host. None of
	// them ever counts as a local client, see Redirect.NoLoopback.
	Proxies rampart.Proxies

	// HSTS configures Strict-Transport-Security. It is sent on https responses
	// only (RFC 6797 section 7.2).
	HSTS HSTS

	// Redirect configures what happens to plain http.
	Redirect Redirect

	// Fixed headers. "" means the preset's value, [Off] leaves the header out.
	// Each value is checked against the header's own grammar.
	FrameOptions   string // X-Frame-Options: DENY or SAMEORIGIN
	ReferrerPolicy string // Referrer-Policy: one policy, or a list of which browsers take the last they know
	OpenerPolicy   string // Cross-Origin-Opener-Policy
	EmbedderPolicy string // Cross-Origin-Embedder-Policy; no preset sets it
	ResourcePolicy string // Cross-Origin-Resource-Policy: same-origin, same-site or cross-origin
	CacheControl   string // Cache-Control; PresetWeb has none

	// CSP is the Content-Security-Policy; nil means the preset's.
	CSP *CSP

	// CSPReportOnly is the Content-Security-Policy-Report-Only, which blocks
	// nothing: a stricter policy to be tried beside CSP. nil means none.
	CSPReportOnly *CSP

	// What would break under a stricter Cross-Origin-Opener-Policy or
	// Cross-Origin-Embedder-Policy is reported, and not blocked. The value needs an
	// endpoint, as in `same-origin; report-to="main"`. "" leaves the header out.
	OpenerPolicyReportOnly   string
	EmbedderPolicyReportOnly string

	// Permissions is the Permissions-Policy; nil means the preset's, an empty
	// map leaves it out.
	Permissions Permissions

	// ReportingEndpoints maps a name to the https URL that takes reports (or to
	// a path of this host), see [Reports]. What CSP.ReportTo and the report-to
	// parameters of OpenerPolicy, EmbedderPolicy and their ReportOnly name must be
	// here. Browsers send what nobody names (deprecations, interventions,
	// crashes, violations of Permissions) to the endpoint "default". They report to
	// pages over https only.
	ReportingEndpoints map[string]string

	// Extra holds further constant headers. A header that has a field above,
	// one that belongs to CORS, to the connection or to one response (Set-Cookie,
	// Vary, Content-Type, Location and the like) is a mistake.
	Extra map[string]string

	// Remove lists headers that no response may have: a backend's. nil means
	// Server, X-Powered-By and X-AspNet-Version; an empty slice means none.
	Remove []string

	// Cookies configures how cookies are hardened.
	Cookies Cookies

	// CredentialHeaders lists headers that carry credentials, beside
	// Authorization, Proxy-Authorization, Cookie and X-API-Key. A plain http
	// request with one of them is refused, not redirected.
	CredentialHeaders []string

	// DangerouslyAllowHTTP serves plain http to anyone. Anyone on the network path
	// then reads tokens and rewrites pages.
	DangerouslyAllowHTTP bool

	// DangerouslyAnyHost stands in place of AllowedHosts. A client then chooses
	// the host that ends up in absolute URLs: password-reset links lead to the
	// attacker, caches are poisoned, and DNS rebinding reaches this server from
	// any page.
	DangerouslyAnyHost bool

	// ErrorHandler responds to a refused request; err is a [*HostError] or an
	// [*InsecureError]. The header set is already on w. nil: 400 with
	// the code bad_host or 403 with the code https_required, as
	// application/problem+json.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the events malicious_host and insecure_transport;
	// nil means [slog.Default].
	Logger *slog.Logger
}

// A Preset is a set of fixed headers.
type Preset uint8

// Presets. Both set X-Content-Type-Options: nosniff; X-XSS-Protection: 0 (the
// filter it switched on could be turned against a page, and no current browser
// has one); Origin-Agent-Cluster: ?1; X-Permitted-Cross-Domain-Policies: none;
// X-DNS-Prefetch-Control: off; a Permissions-Policy that switches off what
// reaches sensors, devices and payment; Strict-Transport-Security over https.
const (
	// PresetAPI is for responses that are data: a CSP in which nothing loads,
	// no-store, no-referrer, no framing, and CORP same-origin (which a CORS
	// fetch does not consult).
	PresetAPI Preset = iota + 1

	// PresetWeb is for pages: a CSP of 'self' without plugins and inline
	// handlers, framing and referrers within the origin, COOP and CORP
	// same-origin. Builds of Vite and React run under it; htmx needs a meta tag,
	// see the package's documentation.
	PresetWeb
)

// Off leaves out the header whose field has this value.
const Off = "-"

// HSTS configures Strict-Transport-Security (RFC 6797).
type HSTS struct {
	MaxAge     time.Duration // whole seconds; 0 means 365 days
	Subdomains bool          // holds for every name below the host too
	Preload    bool          // asks for a place in browsers' built-in list; needs Subdomains, MaxAge >= 365 days and the redirect
	Off        bool          // leaves the header out
}

// Redirect configures what happens to plain http. A GET or HEAD that carries
// no credential header, no body and no Upgrade is redirected to https;
// everything else is refused with 403 and reported, for its secret has been on
// the wire: rotate it.
type Redirect struct {
	Status int    // 308 (0 too) or 301
	Host   string // host of the Location; "" means the CanonicalHost, else the request's own, once it is allowed
	Port   int    // port of the Location; 0 means 443

	// NoLoopback gives up the exception for local clients. By default plain
	// http is served if both the peer and Host are loopback and nothing hints
	// at a proxy: the peer is not a trusted proxy, no forwarding header is
	// there, and the request is HTTP/1.1 or later (nginx speaks 1.0 to its
	// backends by default). A proxy on this machine that adds no header and
	// rewrites Host to a loopback name looks like a local client: set this, or
	// Proxies, where there is one.
	NoLoopback bool

	Off bool // refuses what would be redirected
}
