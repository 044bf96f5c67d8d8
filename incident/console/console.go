package console

import (
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/ecolaura/rampart"
)

// A Console serves the operator's pages and API. It is safe for concurrent use. Create
// one with [New]; the zero Console refuses every request.
type Console struct {
	cfg    Config
	files  files
	pages  *template.Template
	mux    http.Handler
	stream chan struct{} // one token for each live page

	mu   sync.Mutex // guards seen
	seen seen
}

// maxStreams is how many pages are live at a time; more of them poll.
const maxStreams = 64

// New returns a Console for cfg, or every mistake in cfg, each a [rampart.ConfigError],
// joined.
func New(cfg Config) (*Console, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Console{cfg: cfg, stream: make(chan struct{}, maxStreams)}
	var err error
	if c.files, err = loadFiles(); err != nil {
		return nil, err
	}
	if c.pages, err = parsePages(c); err != nil {
		return nil, err
	}
	inside := http.NewServeMux()
	for _, p := range []struct {
		pattern string
		serve   http.HandlerFunc
	}{
		{"GET /{$}", c.fleetPage},
		{"GET /now", c.nowPage},
		{"GET /who", c.whoPage},
		{"GET /who/one", c.onePage},
		{"GET /orders", c.ordersPage},
		{"GET /orders/{id}", c.orderPage},
		{"GET /orders/export", c.export},
		{"POST /orders/preview", c.preview},
		{"POST /orders/give", c.give},
		{"GET /keys", c.keysPage},
		{"GET /help", c.helpPage},
		{"GET /api/fleet", c.fleetAPI},
		{"GET /api/now", c.nowAPI},
		{"GET /api/events", c.eventsAPI},
		{"GET /api/who", c.whoAPI},
		{"GET /api/who/one", c.oneAPI},
		{"GET /api/keys", c.keysAPI},
		{"GET /api/live", c.live},
	} {
		inside.HandleFunc(p.pattern, p.serve)
	}
	inside.Handle("/api/ops/", http.StripPrefix("/api/ops", cfg.API))
	outside := http.NewServeMux()
	outside.Handle("GET /static/{name}", c.files)
	outside.Handle("/", cfg.Protect(c.admit(inside)))
	c.mux = outside
	return c, nil
}

// policy is the Content-Security-Policy of responses for which no layer has set one.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// ServeHTTP serves a request whose path begins where the console is mounted.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.mux == nil {
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "not_configured"}).Write(w)
		return
	}
	h := w.Header()
	if h.Get("Content-Security-Policy") == "" {
		h.Set("Content-Security-Policy", policy)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	c.mux.ServeHTTP(w, r)
}

// admit serves callers with the scope. Others get a page that says what is missing.
func (c *Console) admit(next http.Handler) http.Handler {
	need := rampart.RequireScope(c.cfg.Scope)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		caller, ok := rampart.CallerFrom(r.Context())
		if ok && !caller.HasScope(c.cfg.Scope) && !strings.HasPrefix(r.URL.Path, "/api/") {
			c.show(w, r, http.StatusForbidden, "denied", "Not permitted", nil)
			return
		}
		need.ServeHTTP(w, r)
	})
}
