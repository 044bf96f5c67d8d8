package cors

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
)

// NoPreflightCache as [Config.MaxAge] tells browsers to ask again before every
// request.
const NoPreflightCache time.Duration = -1

// A Config configures a [CORS]. Origins or OriginFunc is required; the zero value of every
// other field is the strictest.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Origins lists who may read. Each is an ASCII-serialised origin as a
	// browser sends it, or one of three patterns:
	//
	//	https://app.example.com  http://127.0.0.1:9090  http://[::1]   exact, byte for byte
	//	https://*.example.com    one or more labels before .example.com, never example.com itself
	//	http://localhost:*       any port, the absent one too; joins with the former: https://*.example.com:*
	//	*                        everybody; stands alone, never with Credentials or PrivateNetwork
	//
	// Refused are: null and file:, which any site can take on with a sandboxed
	// frame; upper case and unicode (write punycode), userinfo, paths, queries,
	// trailing slashes, default ports, port 0, ports with a leading zero,
	// addresses in any form but the one that browsers send, zones, IPv4 mapped
	// into IPv6, empty or bad labels, labels over 63, hosts over 253 and
	// schemes over 64 bytes, and "*" elsewhere than in the places above.
	Origins []string

	// OriginFunc reports whether an origin that Origins does not cover may read: of
	// tenants in a database, say. It gets one origin as Origins would take it, in
	// lower case; never null, file:, nor text that no browser sends; our own origin
	// only in a preflight; and beside Credentials or PrivateNetwork an insecure origin
	// only with DangerouslyAllowInsecureOrigins. Compare the whole origin: a suffix
	// also ends other people's names. nil: nobody else may.
	//
	// The result must depend on the origin alone. It is kept for 30 seconds, of up to
	// 4096 allowed and as many denied origins; [CORS.Reconfigure] forgets all of them.
	// Requests of one origin that come meanwhile wait for the same call. At most 64
	// calls run at once, in goroutines of their own; ctx ends after 2 seconds, the
	// wait for a turn included, and has the values of one of the requests.
	//
	// It fails closed: on an error, a panic, or no result in that time, the origin is
	// not allowed for now, which is the event sys_backend_unavailable with the cause.
	// That is not kept: the next request asks again.
	OriginFunc func(ctx context.Context, origin string) (bool, error)

	// Credentials lets scripts send and receive with cookies, TLS client
	// certificates and HTTP authentication. A bearer token that a script adds
	// itself does not need it.
	Credentials bool

	// Methods lists the methods beyond GET, HEAD and POST, which the protocol
	// leaves free. Case counts as in Fetch: put means PUT, but patch is not
	// PATCH. "*" means any.
	Methods []string

	// RequestHeaders lists the request headers beyond the CORS-safelisted. "*"
	// means any, but without Credentials it never covers Authorization: name
	// that beside it.
	RequestHeaders []string

	// ResponseHeaders lists the response headers that scripts may read beyond
	// the safelisted seven, which are tolerated here and dropped. "*" means any
	// and does not go with Credentials.
	ResponseHeaders []string

	// MaxAge is how long a browser may remember a preflight's response: whole
	// seconds, at most 24 hours. 0 sends no header, and browsers then keep it
	// for 5 seconds. See [NoPreflightCache].
	MaxAge time.Duration

	// PreflightStatus is the status of a granted preflight, 200 to 299. 0 means
	// 204; some old clients want 200.
	PreflightStatus int

	// PrivateNetwork grants preflights that carry
	// Access-Control-Request-Private-Network, by which a public site asks to
	// reach into a private network. If unset, such a preflight is refused.
	// (Browsers have put that draft on hold for a permission prompt.)
	PrivateNetwork bool

	// Enforce refuses (403) the actual requests of denied origins too. Those of
	// our own origin and those without an Origin pass.
	Enforce bool

	// Debug has the browser's console tell why a preflight of an allowed origin was
	// refused: that a method or a header is not allowed. The response then says that the
	// origin is, with the PreflightStatus, and leaves out what it refuses. (The
	// default response, 403 without a CORS header, reads there as if the origin were
	// refused.) It is for development: only a request from this machine to this machine
	// is answered so, which is one whose peer and Host are both loopback. Nothing else
	// changes, and nothing more is allowed.
	Debug bool

	// DangerouslyDebugAnywhere makes Debug hold for requests from anywhere: anyone who
	// sends an allowed Origin can then find the methods and headers of the policy out.
	DangerouslyDebugAnywhere bool

	// DangerouslyAllowInsecureOrigins accepts, beside Credentials or
	// PrivateNetwork, origins that are neither https nor a localhost name
	// (RFC 6761) nor a loopback address. Anyone on the network path of an http
	// page can put a script into it and so read what its user may read here.
	DangerouslyAllowInsecureOrigins bool

	// DangerouslyAllowPublicSuffixes accepts, beside Credentials or
	// PrivateNetwork, patterns below a public suffix: https://*.github.io is
	// open to anyone who registers a name there.
	DangerouslyAllowPublicSuffixes bool

	// ErrorHandler responds to refused preflights (but see Debug) and, with
	// Enforce, refused requests; err is a [*DeniedError]. Its response never carries a CORS
	// header. If nil, the response is 403 in problem+json with a stable code; 503 with
	// Retry-After if OriginFunc has failed.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events: malicious_cors (WARN) for a denied
	// origin, cors_preflight_refused (INFO) where an allowed origin asks for
	// more than the policy grants, sys_backend_unavailable (ERROR) where OriginFunc
	// fails. Repeats are folded for each origin, failures together.
	// If nil, [slog.Default] is used.
	Logger *slog.Logger
}

// Reasons of a [rampart.ConfigError] that only this package has.
const (
	ReasonNullOrigin                  rampart.Reason = "null_origin"                        // null or file:, an origin that any site can take on
	ReasonWildcardNotAlone            rampart.Reason = "wildcard_not_alone"                 // "*" beside other origins
	ReasonWildcardWithCredentials     rampart.Reason = "wildcard_with_credentials"          // every site could read users' data
	ReasonInsecureWithCredentials     rampart.Reason = "insecure_with_credentials"          // see DangerouslyAllowInsecureOrigins
	ReasonPublicSuffixWithCredentials rampart.Reason = "public_suffix_with_credentials"     //nolint:gosec // a word, no credential; see DangerouslyAllowPublicSuffixes
	ReasonWildcardWithPrivateNetwork  rampart.Reason = "wildcard_with_private_network"      // every site could reach into a private network
	ReasonInsecureWithPrivateNetwork  rampart.Reason = "insecure_with_private_network"      // see DangerouslyAllowInsecureOrigins
	ReasonPublicSuffixPrivateNetwork  rampart.Reason = "public_suffix_with_private_network" // see DangerouslyAllowPublicSuffixes
	ReasonOutOfBounds                 rampart.Reason = "out_of_bounds"                      // MaxAge or PreflightStatus
	ReasonForbidden                   rampart.Reason = "forbidden"                          // a method or header that browsers keep from scripts
)
