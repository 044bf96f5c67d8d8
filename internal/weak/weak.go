// Package weak is a small service behind all layers of rampart, with a switch for
// each weakness that package attack looks for. It is for tests, and for the example
// that is there to be attacked: it imports what no other internal package may.
package weak

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

const (
	// Host is the name under which the service is reached, unless it is Direct.
	Host     = "api.example.com"
	secret   = "a signing secret of the weak server, 32 bytes or more"
	limit    = 10
	strange  = 30 // wrong passwords for an account from addresses that it does not know
	maxParts = 100
)

// A Config says what is weak.
type Config struct {
	Weak []string // ids of attack.Weaknesses; none: the service is as it should be

	// Direct serves clients of this machine over plain http; else they are taken for
	// proxies, which say who asks and how.
	Direct bool

	Log io.Writer // gets a copy of the log; nil: nobody does
}

// A Server is the service.
type Server struct {
	weak   map[string]bool
	direct bool
	log    *lockedBuffer
	errs   []error
	root   http.Handler

	service  *session.Service
	verifier *auth.Verifier
	clientIP *server.ClientIP
	expired  string
	key      string
	ended    string // a key that was revoked

	mu       sync.Mutex
	known    map[string]bool // account and address of log-ins
	failed   map[string]int  // account, or that and a known address
	products []product
	notes    map[string]string // id → subject
	visits   map[string]string // id of a session of cookies → account; "" before the log-in
}

type product struct {
	Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Description string `json:"description" sanitize:"html=ugc" validate:"max=20000"`
	Price       string `json:"price" validate:"required,decimal=10:2,min=0"`
}

type lockedBuffer struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	copy io.Writer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copy != nil {
		if n, err := b.copy.Write(p); err != nil {
			return n, err
		}
	}
	if b.buf.Len() > 16<<20 { // the example runs for ever
		b.buf.Reset()
	}
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// people are the accounts: alice may do everything.
type people struct{}

func (people) Login(_ context.Context, name, password string) (string, error) {
	if (name == "alice" || name == "bob" || name == "carol") && password == name+"'s password" {
		return name, nil
	}
	return "", session.ErrBadCredentials
}

func (people) Active(context.Context, string) (bool, error) { return true, nil }

func (people) Claims(_ context.Context, subject string) (map[string]any, error) {
	if subject == "alice" {
		return map[string]any{"scope": "reports:read products:write"}, nil
	}
	return nil, nil
}

func (s *Server) on(id string) bool { return s.weak[id] }

func (s *Server) keep(err error) { s.errs = append(s.errs, err) }

type tooManyError struct{}

func (tooManyError) Error() string             { return "too many" }
func (tooManyError) RetryAfter() time.Duration { return time.Hour }

// guard limits wrong passwords by account, those from known addresses apart.
func (s *Server) guard(_ context.Context, r *http.Request, name string) (func(error), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := name + " " + s.clientIP.Addr(r).String()
	key := name
	if s.known[from] && !s.on("owner-locked-out") {
		key = from
	}
	if s.failed[key] >= strange {
		return nil, tooManyError{}
	}
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case err == nil:
			s.known[from] = true
		case errors.Is(err, session.ErrBadCredentials):
			s.failed[key]++
		}
	}, nil
}

// switched returns the first handler if the service has the weakness.
func (s *Server) switched(title string, weak, strong http.Handler) http.Handler {
	if s.on(title) {
		return weak
	}
	return strong
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// New builds the service.
func New(ctx context.Context, cfg Config) (*Server, error) {
	s := &Server{
		weak: map[string]bool{}, direct: cfg.Direct, log: &lockedBuffer{copy: cfg.Log},
		notes: map[string]string{}, visits: map[string]string{}, known: map[string]bool{}, failed: map[string]int{},
	}
	known := map[string]bool{}
	for _, w := range attack.Weaknesses() {
		known[w.ID] = true
	}
	for _, id := range cfg.Weak {
		if !known[id] {
			return nil, fmt.Errorf("weak: %q is no weakness of package attack", id)
		}
		s.weak[id] = true
	}
	if err := s.build(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.root.ServeHTTP(w, r) }

func (s *Server) build(ctx context.Context) error {
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	var proxies rampart.Proxies
	if !s.direct {
		proxies.Prefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	keep := s.keep

	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: proxies})
	keep(err)
	s.clientIP, err = server.NewClientIP(proxies)
	keep(err)
	hcfg := headers.API(Host)
	if s.direct {
		hcfg.AllowedHosts = []string{"localhost:*", "127.0.0.1:*", "[::1]:*"}
	}
	hcfg.Proxies, hcfg.Logger = proxies, log
	browser, err := headers.New(hcfg)
	keep(err)
	share, err := cors.New(cors.Config{Origins: []string{"https://www.example.com"}, Methods: []string{"GET", "POST"}, RequestHeaders: []string{"Authorization", "Content-Type"}, Logger: log})
	keep(err)
	filter, err := ipfilter.New(ipfilter.Config{Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}, ClientIP: s.clientIP.Addr, Logger: log})
	keep(err)
	cfg := session.Simplejwt([]byte(secret))
	cfg.Tokens.Logger, cfg.Logger = log, log
	s.verifier, err = auth.NewVerifier(cfg.Tokens)
	keep(err)
	cfg.Users, cfg.Sessions = people{}, session.NewMemoryStore(0)
	cfg.NoRotation = s.on("refresh-reuse")
	cfg.AccessTTL = 10 * time.Minute
	if !s.on("password-guessing-by-many") {
		cfg.Guard = s.guard
	}
	s.service, err = session.New(cfg)
	keep(err)
	s.expired = s.expiredToken(ctx)
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "eco_test", ClientIP: s.clientIP.Addr, Logger: log})
	keep(err)
	_, key, err := keys.Create(ctx, apikey.Key{Owner: "alice", Name: "k"})
	keep(err)
	s.key = key.Reveal()
	old, key, err := keys.Create(ctx, apikey.Key{Owner: "alice", Name: "old"})
	keep(err)
	keep(keys.Revoke(ctx, old.ID))
	s.ended = key.Reveal()

	root := s.routes(log, keys)
	if err := errors.Join(s.errs...); err != nil {
		return err
	}
	layer := func(title string, strong, weak func(http.Handler) http.Handler) {
		if s.on(title) {
			strong = weak
		}
		if strong != nil {
			root = strong(root)
		}
	}
	layer("blocked-served", filter.Handler, nil)
	switch {
	case s.on("cors-foreign"):
		root = reflectOrigin(root)
	case s.on("cors-refused"):
	case s.on("cors-vary"):
		root = final(share.Handler(root), func(_ *http.Request, h http.Header, _ int) { h.Del("Vary") })
	default:
		root = share.Handler(root)
	}
	root = browser.Handler(root)
	layer("foreign-host", nil, changed(func(r *http.Request) { r.Host = or(s.direct, "127.0.0.1", Host) }))
	if !s.direct { // there is no proxy to say so
		layer("plain-http", nil, changed(func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }))
	}
	layer("log-clients", s.clientIP.Handler, nil)
	switch {
	case s.on("request-id-missing"):
	case s.on("request-id-chosen"):
		root = echoID(root)
	default:
		root = ids.Handler(root)
	}
	s.root = s.outermost(root)
	return errors.Join(s.errs...)
}

func or[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// expiredToken makes a token as the service did an hour ago.
func (s *Server) expiredToken(ctx context.Context) string {
	pair, err := s.service.Issue(ctx, "bob", nil)
	s.keep(err)
	head, rest, _ := strings.Cut(pair.Access, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	s.keep(err)
	var claims map[string]any
	s.keep(json.Unmarshal(raw, &claims))
	claims["iat"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(-time.Minute).Unix()
	raw, err = json.Marshal(claims)
	s.keep(err)
	text := head + "." + base64.RawURLEncoding.EncodeToString(raw)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(text)) // never fails
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func changed(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			change(r)
			next.ServeHTTP(w, r)
		})
	}
}

func reflectOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Add("Vary", "Origin")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		next.ServeHTTP(w, r)
	})
}

func echoID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-ID")
		if id == "" {
			id = "1"
		}
		w.Header().Set("X-Request-ID", id)
		next.ServeHTTP(w, r)
	})
}

// finalWriter changes a response's header at the last moment.
type finalWriter struct {
	http.ResponseWriter
	final func(h http.Header, status int)
	done  bool
}

func (w *finalWriter) WriteHeader(status int) {
	if !w.done && status >= 200 {
		w.done = true
		w.final(w.Header(), status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *finalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *finalWriter) Write(b []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// final changes the header of each response at the last moment.
func final(next http.Handler, change func(r *http.Request, h http.Header, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&finalWriter{ResponseWriter: w, final: func(h http.Header, status int) { change(r, h, status) }}, r)
	})
}

// outermost has the weaknesses that no layer further in would let through.
func (s *Server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.on("log-forged"):
			_, _ = fmt.Fprintf(s.log, "%s %s\n", r.Method, r.URL.Path)
		case s.on("log-secret"):
			_, _ = fmt.Fprintf(s.log, "%q\n", r.Header)
		}
		final(next, func(r *http.Request, h http.Header, status int) {
			if s.on("headers-missing") && status == http.StatusNotFound {
				h.Del("Referrer-Policy")
			}
			if s.on("cookie-flags") {
				h.Add("Set-Cookie", "session=1; HttpOnly; SameSite=Lax")
			}
			if s.on("private-cached") && r.URL.Path == "/api/secure/" {
				h.Set("Cache-Control", "max-age=60")
			}
			if s.on("software-named") {
				h.Set("Server", "weak/1.0")
			}
		}).ServeHTTP(w, r)
	})
}
