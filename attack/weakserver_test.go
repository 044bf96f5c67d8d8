package attack_test

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
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

const (
	host     = "api.example.com"
	secret   = "a signing secret of the weak server, 32 bytes or more"
	limit    = 10
	strange  = 30 // wrong passwords for an account from addresses that it does not know
	maxParts = 100
)

// weakServer is a small service behind all layers, with one switch for each
// weakness that the suite knows.
type weakServer struct {
	t    *testing.T
	weak string // title of the weakness that it has; "" for none
	log  *lockedBuffer

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
}

type product struct {
	Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Description string `json:"description" sanitize:"html=ugc" validate:"max=20000"`
	Price       string `json:"price" validate:"required,decimal=10:2,min=0"`
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
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

func (s *weakServer) on(title string) bool { return s.weak == title }

type tooManyError struct{}

func (tooManyError) Error() string             { return "too many" }
func (tooManyError) RetryAfter() time.Duration { return time.Hour }

// guard limits wrong passwords by account, those from known addresses apart.
func (s *weakServer) guard(_ context.Context, r *http.Request, name string) (func(error), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := name + " " + s.clientIP.Addr(r).String()
	key := name
	if s.known[from] && !s.on("Strangers who guess lock an account's owner out") {
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
func (s *weakServer) switched(title string, weak, strong http.Handler) http.Handler {
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

// newWeakServer builds the service; its target is complete but for where it is.
func newWeakServer(t *testing.T, weak string) (http.Handler, attack.Target) {
	t.Helper()
	s := &weakServer{t: t, weak: weak, log: &lockedBuffer{}, notes: map[string]string{}, known: map[string]bool{}, failed: map[string]int{}}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	keep := func(err error) { require.NoError(t, err) }

	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Prefixes: loopback}})
	keep(err)
	s.clientIP, err = server.NewClientIP(rampart.Proxies{Prefixes: loopback})
	keep(err)
	hcfg := headers.API(host)
	hcfg.Proxies.Prefixes, hcfg.Logger = loopback, log
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
	cfg.NoRotation = s.on("A used refresh token is accepted again")
	cfg.AccessTTL = 10 * time.Minute
	if !s.on("The password of one account can be guessed from many addresses") {
		cfg.Guard = s.guard
	}
	s.service, err = session.New(cfg)
	keep(err)
	s.expired = expiredToken(t, s.service)
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "eco_test", ClientIP: s.clientIP.Addr, Logger: log})
	keep(err)
	_, key, err := keys.Create(t.Context(), apikey.Key{Owner: "alice", Name: "k"})
	keep(err)
	s.key = key.Reveal()
	old, key, err := keys.Create(t.Context(), apikey.Key{Owner: "alice", Name: "old"})
	keep(err)
	keep(keys.Revoke(t.Context(), old.ID))
	s.ended = key.Reveal()

	root := s.routes(log, keys)
	layer := func(title string, strong, weak func(http.Handler) http.Handler) {
		if s.on(title) {
			strong = weak
		}
		if strong != nil {
			root = strong(root)
		}
	}
	layer("A blocked address is served", filter.Handler, nil)
	switch {
	case s.on("A listed origin may not read answers"):
	case s.on("A foreign origin may read answers"):
		root = reflectOrigin(root)
	default:
		root = share.Handler(root)
	}
	root = browser.Handler(root)
	layer("A foreign Host is served", nil, changed(func(r *http.Request) { r.Host = host }))
	layer("Credentials are served over plain http", nil, changed(func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }))
	layer("The log does not tell clients apart", s.clientIP.Handler, nil)
	switch {
	case s.on("An answer has no request id"):
	case s.on("A client chooses the request id"):
		root = echoID(root)
	default:
		root = ids.Handler(root)
	}
	return s.outermost(root), s.target()
}

// expiredToken makes a token as the service did an hour ago.
func expiredToken(t *testing.T, service *session.Service) string {
	t.Helper()
	pair, err := service.Issue(t.Context(), "bob", nil)
	require.NoError(t, err)
	parts := strings.Split(pair.Access, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	claims["iat"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(-time.Minute).Unix()
	payload, err = json.Marshal(claims)
	require.NoError(t, err)
	text := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
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

// finalWriter changes an answer's header at the last moment.
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

func (w *finalWriter) Write(b []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// outermost has the weaknesses that no layer further in would let through.
func (s *weakServer) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.on("A request forges a line of the log"):
			fmt.Fprintf(s.log, "%s %s\n", r.Method, r.URL.Path)
		case s.on("A secret is in the log"):
			fmt.Fprintf(s.log, "%q\n", r.Header)
		}
		next.ServeHTTP(&finalWriter{ResponseWriter: w, final: func(h http.Header, status int) {
			switch {
			case s.on("An answer lacks security headers") && status == http.StatusNotFound:
				h.Del("Referrer-Policy")
			case s.on("A cookie lacks Secure, HttpOnly or SameSite"):
				h.Add("Set-Cookie", "session=1; HttpOnly; SameSite=Lax")
			case s.on("A private answer may be cached") && r.URL.Path == "/api/secure/":
				h.Set("Cache-Control", "max-age=60")
			case s.on("Answers name the software and its version"):
				h.Set("Server", "weak/1.0")
			}
		}}, r)
	})
}

// bearerOf returns the token of a request.
func bearerOf(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}

// secured is the layer of Secure, with the weaknesses of tokens.
func (s *weakServer) secured(next http.Handler) http.Handler {
	strong := s.verifier.Handler(next)
	or := func(admit func(r *http.Request) bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if admit(r) {
				next.ServeHTTP(w, r)
				return
			}
			strong.ServeHTTP(w, r)
		})
	}
	switch s.weak {
	case "A private path answers without a token":
		return next
	case "A forged token is accepted":
		return or(func(r *http.Request) bool {
			parts := strings.Split(bearerOf(r), ".")
			if len(parts) != 3 {
				return false
			}
			payload, err := base64.RawURLEncoding.DecodeString(parts[1])
			var claims struct {
				Kind string  `json:"token_type"`
				Exp  float64 `json:"exp"`
			}
			return err == nil && json.Unmarshal(payload, &claims) == nil && claims.Kind == "access" && claims.Exp > float64(time.Now().Unix())
		})
	case "An expired token is accepted":
		return or(func(r *http.Request) bool { return bearerOf(r) == s.expired })
	case "A token of another kind is accepted":
		return or(func(r *http.Request) bool {
			_, err := s.verifier.Verify(r.Context(), bearerOf(r), auth.Refresh)
			return err == nil
		})
	case "A token in the query is accepted":
		return or(func(r *http.Request) bool {
			_, err := s.verifier.Verify(r.Context(), r.URL.Query().Get("access_token"), auth.Access)
			return err == nil
		})
	default:
		return strong
	}
}

// routes is the service inside the layers that every answer passes.
func (s *weakServer) routes(log *slog.Logger, keys *apikey.Keys) http.Handler {
	limited := s.limiter(log)
	login := s.limiterOf(log, throttle.Policy{Name: "login", Key: throttle.ByIP(s.clientIP.Addr), Rate: throttle.Rate{Count: limit, Period: time.Hour}, Refund: func(status int) bool { return status < 400 }})
	user := s.limiterOf(log, throttle.Policy{Name: "user", Rate: throttle.Rate{Count: limit, Period: time.Hour}, Key: throttle.By("subject", func(r *http.Request) string {
		t, _ := auth.FromContext(r.Context())
		return t.Subject()
	})})
	scope := rampart.RequireScope("reports:read")
	if s.on("A caller without the scope is served") {
		scope = func(next http.Handler) http.Handler { return next }
	}
	obtain := s.service.IssueHandler()
	if !s.on("Passwords can be guessed without limit") {
		obtain = login.Handler(obtain)
	}
	logout := s.switched("A refresh token is accepted after log-out", answer(200, "{}"), s.service.EndSessionHandler())
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{Logger: log})
	require.NoError(s.t, err)
	public := http.Handler(answer(200, `{"message":"public"}`))
	if !s.on("A query that can be read in two ways is served") {
		public = guard.Handler(public)
	}

	mux := server.NewMux()
	mux.Handle("POST /api/token/{$}", s.oracle(obtain))
	mux.Handle("POST /api/token/refresh/{$}", s.service.RefreshHandler())
	mux.Handle("POST /api/token/blacklist/{$}", logout)
	mux.Handle("GET /api/secure/{$}", s.secured(answer(200, `{"message":"secure"}`)))
	mux.Handle("GET /api/public/{$}", public)
	mux.Handle("GET /api/limited/{$}", limited(public))
	mux.Handle("GET /api/mine/{$}", s.verifier.Handler(user.Handler(public)))
	mux.Handle("GET /api/reports/{$}", s.verifier.Handler(scope(public)))
	mux.Handle("POST /api/products/{$}", s.verifier.Handler(rampart.RequireScope("products:write")(s.postProducts(log))))
	mux.HandleFunc("GET /api/products/{$}", s.getProducts)
	mux.Handle("/api/notes/", s.verifier.Handler(http.HandlerFunc(s.note)))
	mux.Handle("POST /api/upload/{$}", s.verifier.Handler(http.HandlerFunc(s.upload)))
	mux.Handle("GET /api/partner/{$}", s.partner(keys, public))
	return s.odd(mux, public)
}

func (s *weakServer) limiterOf(log *slog.Logger, p throttle.Policy) *throttle.Limiter {
	l, err := throttle.New(throttle.Config{Policies: []throttle.Policy{p}, Logger: log})
	require.NoError(s.t, err)
	return l
}

// limiter is the layer of /api/limited/.
func (s *weakServer) limiter(log *slog.Logger) func(http.Handler) http.Handler {
	p := throttle.Policy{Name: "anon", Key: throttle.ByIP(s.clientIP.Addr), Rate: throttle.Rate{Count: limit, Period: time.Hour}}
	switch s.weak {
	case "A limit does not hold":
		p.Rate.Count++
	case "A limit refuses too early":
		p.Rate.Count--
	case "Different clients are taken for one":
		p.Key = throttle.By("all", func(*http.Request) string { return "all" })
	case "A header evades a limit":
		p.Key = throttle.By("left", func(r *http.Request) string {
			left, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
			return left
		})
	}
	strong := s.limiterOf(log, p).Handler
	if !s.on("A refusal by a limit does not say when to come back") {
		return strong
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			strong(next).ServeHTTP(&finalWriter{ResponseWriter: w, final: func(h http.Header, _ int) { h.Del("Retry-After") }}, r)
		})
	}
}

// oracle tells which accounts exist, if it is to.
func (s *weakServer) oracle(next http.Handler) http.Handler {
	return s.switched("Answers tell which accounts exist", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Contains(body, []byte("alice")) && !bytes.Contains(body, []byte("bob")) && !bytes.Contains(body, []byte("carol")) {
			(&rampart.Problem{Status: 404, Code: "no_such_account"}).Write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	}), next)
}

// postProducts stores a product, by the binder or past it.
func (s *weakServer) postProducts(log *slog.Logger) http.Handler {
	binder, err := sanitize.NewBinder[product](sanitize.Config{Logger: log})
	require.NoError(s.t, err)
	strong := binder.Handler(func(w http.ResponseWriter, _ *http.Request, p product) { s.store(w, p) })
	past := func(takes func(body []byte) bool) http.Handler { // what is taken without the binder
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && takes(body) {
				answer(201, "{}")(w, r)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	}
	switch s.weak {
	case "A hostile JSON body is taken":
		return past(func(b []byte) bool { return bytes.Count(b, []byte("[")) > 1000 })
	case "A body without bounds is read":
		return past(func(b []byte) bool { return len(b) > 8<<20 })
	case "A JSON body that can be read in two ways is taken":
		return past(func(b []byte) bool { return bytes.Count(b, []byte(`"price"`)) == 2 })
	case "Invalid input is taken":
		return past(func(b []byte) bool { return bytes.Contains(b, []byte(`"-1"`)) })
	case "A body of another content type is taken":
		return changed(func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })(strong)
	case "A member that no client may set is taken":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err == nil && bytes.Contains(body, []byte("is_admin")) {
				answer(201, string(body))(w, r)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	case "Hostile HTML is stored and shown":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			var p product
			if err == nil && bytes.Contains(body, []byte("onerror")) && json.Unmarshal(body, &p) == nil {
				s.store(w, p)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	default:
		return strong
	}
}

func (s *weakServer) store(w http.ResponseWriter, p product) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products = append(s.products, p)
	body, _ := json.Marshal(p)
	answer(201, string(body))(w, nil)
}

func (s *weakServer) getProducts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := json.Marshal(s.products)
	answer(200, string(body))(w, nil)
}

// note is something that its maker owns.
func (s *weakServer) note(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := auth.FromContext(r.Context())
	id := strings.TrimPrefix(r.URL.Path, "/api/notes/")
	owner, known := s.notes[id]
	switch {
	case id == "" && r.Method == http.MethodPost:
		id = fmt.Sprint(len(s.notes) + 1)
		s.notes[id] = t.Subject()
		answer(201, `{"path":"/api/notes/`+id+`"}`)(w, r)
	case !known || owner != t.Subject() && !s.on("A caller gets what is another's"):
		(&rampart.Problem{Status: 404, Code: "not_found"}).Write(w)
	default:
		answer(200, `{"note":"x"}`)(w, r)
	}
}

// upload reads a form of files.
func (s *weakServer) upload(w http.ResponseWriter, r *http.Request) {
	most := maxParts
	if s.on("A hostile multipart body is taken") {
		most = 1 << 30
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<20)
	parts, err := r.MultipartReader()
	for n := 0; err == nil; n++ {
		var part *multipart.Part
		if part, err = parts.NextPart(); err != nil {
			break
		}
		if n > most || len(part.FormName()) > 100 {
			err = errors.New("too much")
			break
		}
		_, err = io.Copy(io.Discard, part)
	}
	if !errors.Is(err, io.EOF) || strings.Contains(err.Error(), "unexpected") {
		(&rampart.Problem{Status: 400, Code: "bad_form"}).Write(w)
		return
	}
	answer(201, "{}")(w, r)
}

// partner is the path for API keys.
func (s *weakServer) partner(keys *apikey.Keys, next http.Handler) http.Handler {
	strong := keys.Handler(next)
	switch s.weak {
	case "A path for API keys answers without one":
		return next
	case "A wrong API key is accepted":
		return changed(func(r *http.Request) {
			if r.Header.Get("X-API-Key") == s.key+"A" { // a key may end with A itself
				r.Header.Set("X-API-Key", s.key)
			}
		})(strong)
	case "An API key that has ended is accepted":
		return changed(func(r *http.Request) {
			if r.Header.Get("X-API-Key") == s.ended {
				r.Header.Set("X-API-Key", s.key)
			}
		})(strong)
	case "Answers tell which API keys exist":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if key := r.Header.Get("X-API-Key"); key != "" && !strings.HasPrefix(key, s.key[:20]) {
				(&rampart.Problem{Status: 404, Code: "no_such_key"}).Write(w)
				return
			}
			strong.ServeHTTP(w, r)
		})
	case "The service does not answer as the target says":
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { (&rampart.Problem{Status: 401}).Write(w) })
	default:
		return strong
	}
}

// odd has the weaknesses of an application's own routing.
func (s *weakServer) odd(next, public http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		missing := strings.HasPrefix(r.URL.Path, "/attack-missing")
		switch {
		case s.on("Another spelling of a path is served without a token") && r.URL.Path != "/api/secure/" && strings.EqualFold(r.URL.Path, "/api/secure/"):
			answer(200, `{"message":"secure"}`)(w, r)
		case s.on("A header or parameter overrides the method") && r.Method == http.MethodPost && r.Header.Get("X-HTTP-Method-Override") != "":
			public.ServeHTTP(w, r)
		case s.on("TRACE is answered with the request") && r.Method == http.MethodTrace:
			w.Header().Set("Content-Type", "message/http")
			_ = r.Header.Write(w)
		case s.on("A forwarded host is believed") && missing && r.Header.Get("X-Forwarded-Host") != "":
			http.Redirect(w, r, "https://"+r.Header.Get("X-Forwarded-Host")+"/", http.StatusFound)
		case s.on("Hostile HTML is reflected") && missing:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(404)
			fmt.Fprintf(w, "<p>no page %s", r.URL.Path)
		case s.on("An answer tells the inside of the service") && missing:
			answer(404, `{"error":"pq: relation \"pages\" does not exist (SQLSTATE 42P01)"}`)(w, r)
		case s.on("A request makes the service fail") && r.Method == "ATTACK":
			(&rampart.Problem{Status: 500}).Write(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// target describes the service.
func (s *weakServer) target() attack.Target {
	product := func(description string) string {
		body, _ := json.Marshal(map[string]string{"name": "soap", "description": description, "price": "1.00"})
		return string(body)
	}
	carol := attack.Account{Name: "carol", Password: "carol's password"}
	return attack.Target{
		Header: http.Header{"X-Forwarded-Proto": {"https"}, "Host": {host}},
		Alice:  attack.Account{Name: "alice", Password: "alice's password"},
		Bob:    attack.Account{Name: "bob", Password: "bob's password"},
		Public: "/api/public/", Secure: "/api/secure/", Refresh: "/api/token/refresh/", Logout: "/api/token/blacklist/",
		Expired: s.expired,
		Scoped:  []attack.Request{{Path: "/api/reports/"}},
		Own: func(ctx context.Context, c *attack.Client, owner attack.Session) (attack.Request, error) {
			got, err := c.Send(ctx, attack.Request{Method: http.MethodPost, Path: "/api/notes/", Header: http.Header{"Authorization": {"Bearer " + owner.Access}}})
			if err != nil {
				return attack.Request{}, err
			}
			var made struct{ Path string }
			err = json.Unmarshal(got.Body, &made)
			return attack.Request{Path: made.Path}, err
		},
		Write:   attack.Request{Path: "/api/products/", Body: product("<p>mild</p>")},
		Invalid: []string{`{"name":"soap","price":"-1"}`, `{"name":"","price":"1"}`, `[]`, ``},
		HTML:    product, Read: "/api/products/",
		Malformed: []attack.Request{{Path: "/api/public/"}, {Path: "/api/public/?x=1"}},
		Upload:    attack.Request{Path: "/api/upload/"},
		Limits: []attack.Limit{
			{Name: "by address", Request: attack.Request{Path: "/api/limited/"}, Count: limit},
			{Name: "by user", Request: attack.Request{Path: "/api/mine/"}, Count: limit, As: &carol},
		},
		Guesses: 2 * limit, AccountGuesses: strange + 1,
		Origins: []string{"https://www.example.com"},
		KeyPath: "/api/partner/", Key: s.key, EndedKeys: []string{s.ended},
		PlainHTTP: http.Header{"X-Forwarded-Proto": {"http"}}, ProxyHeader: "X-Forwarded-For",
		Blocked:   []attack.Blocked{{Addr: netip.MustParseAddr("203.0.113.9")}},
		RequestID: "X-Request-ID", Log: s.log.String,
	}
}

// lenient is a listener in front of a server that mends what it should refuse.
type lenient struct{ net.Listener }

func (l lenient) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lenientConn{conn}, err
}

type lenientConn struct{ net.Conn }

func (c lenientConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b[:n], bytes.ReplaceAll(b[:n], []byte("Content-Length: +4"), []byte("Content-Length:  4")))
	return n, err
}
