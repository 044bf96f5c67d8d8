package sanitize

import (
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// GuardConfig configures a [Guard]. The zero value is strict and safe.
type GuardConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Limits bounds each request. The limits on JSON do not concern a Guard.
	Limits Limits

	// ErrorHandler responds to a refused request; err is a [*rampart.Problem].
	// If nil, that problem is the response.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives one security event for each refused request. If nil,
	// [slog.Default] is used.
	Logger *slog.Logger
}

// A Guard refuses requests that no handler should see, before any does:
//
//   - 400 for a path with NUL, controls, invalid UTF-8, backslashes, encoded
//     slashes or dot segments, and for a query that parsers read differently
//   - 413 for a body that says that it is too large; one that does not say is
//     cut off at the limit
//   - 414 for a path or query that is too long
//   - 415 for a body of another media type or encoding
//
// It never alters a request. It is safe for concurrent use. The zero Guard
// refuses everything. Create one with [NewGuard].
type Guard struct {
	limits       Limits
	body         *strictjson.Limits
	errorHandler func(http.ResponseWriter, *http.Request, error)
	rep          *rampart.Reporter
}

// NewGuard returns a Guard for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	bad := conferr.For("sanitize.GuardConfig")
	limits := cfg.Limits.compile(bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Guard{limits, limits.body(), cfg.ErrorHandler, rampart.NewReporter(cfg.Logger, "sanitize")}, nil
}

// Check returns nil if r is admitted and a [*rampart.Problem] otherwise. It
// neither reads the body, nor logs, nor responds.
func (g *Guard) Check(r *http.Request) error {
	if p := g.check(r); p != nil {
		return p
	}
	return nil
}

// Handler returns a handler that serves admitted requests with next. Reading
// more of a body than the limit fails there with a [*http.MaxBytesError].
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := g.check(r); p != nil {
			if g.rep != nil {
				report(g.rep, r, p)
			}
			if p.Status == http.StatusRequestEntityTooLarge {
				request.CloseAfter(w, r)
			}
			respond(w, r, p, g.errorHandler)
			return
		}
		if r.ContentLength < 0 && r.Body != nil {
			bounded := *r
			bounded.Body = request.MaxBytes(w, r, g.limits.MaxBody)
			r = &bounded
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) check(r *http.Request) *rampart.Problem {
	if g.rep == nil {
		return notConfigured()
	}
	path := r.URL.EscapedPath()
	if len(path) > g.limits.MaxPathLen || len(r.URL.RawQuery) > g.limits.MaxQueryLen {
		return strictjson.LongURI.Problem()
	}
	if !isSafePath(r.URL.Path, path) {
		return strictjson.BadPath.Problem()
	}
	if p := checkQuery(r.URL.RawQuery, g.limits.MaxParams); p != nil {
		return p
	}
	return g.checkBody(r)
}

func (g *Guard) checkBody(r *http.Request) *rampart.Problem {
	switch {
	case r.ContentLength == 0:
		return nil
	case r.ContentLength > g.limits.MaxBody:
		return strictjson.TooLarge.Problem()
	}
	_, _, p := g.body.Media(r)
	return p
}

// isSafePath reports whether every server in line takes the path for the same
// place. An encoded slash or a backslash is a separator to some, and a dot
// segment is resolved by some before, by others after decoding.
func isSafePath(path, escaped string) bool {
	if !utf8.ValidString(path) || hasControl(path) || strings.IndexByte(path, '\\') >= 0 {
		return false
	}
	if len(escaped) != len(path) && (strings.Contains(escaped, "%2F") || strings.Contains(escaped, "%2f")) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// checkQuery refuses a query with a bad escape, a semicolon, invalid UTF-8 or
// control characters.
func checkQuery(query string, most int) *rampart.Problem {
	list, fault := strictjson.Pairs(query, most)
	if fault != nil {
		return strictjson.BadQuery.Problem(fault.At(""))
	}
	for _, pr := range list {
		if hasControl(pr.Name) || hasControl(pr.Value) {
			return strictjson.BadQuery.Problem(rampart.FieldError{Code: CodeSyntax, Detail: "A control character."})
		}
	}
	return nil
}

// hasControl reports whether s holds a C0 control or DEL.
func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
