package weak

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

// bearerOf returns the token of a request.
func bearerOf(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}

// secured is the layer of Secure, with the weaknesses of tokens.
func (s *Server) secured(next http.Handler) http.Handler {
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
	switch {
	case s.on("no-token"):
		return next
	case s.on("forged-token"):
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
	case s.on("expired-token"):
		return or(func(r *http.Request) bool { return bearerOf(r) == s.expired })
	case s.on("token-kind"):
		return or(func(r *http.Request) bool {
			_, err := s.verifier.Verify(r.Context(), bearerOf(r), auth.Refresh)
			return err == nil
		})
	case s.on("token-in-query"):
		return or(func(r *http.Request) bool {
			_, err := s.verifier.Verify(r.Context(), r.URL.Query().Get("access_token"), auth.Access)
			return err == nil
		})
	default:
		return strong
	}
}

// routes is the service inside the layers that every response passes.
func (s *Server) routes(log *slog.Logger, keys *apikey.Keys) http.Handler {
	limited := s.limiter(log)
	login := s.limiterOf(log, throttle.Policy{Name: "login", Key: throttle.ByIP(s.clientIP.Addr), Rate: throttle.Rate{Count: limit, Period: time.Hour}, Refund: func(status int) bool { return status < 400 }})
	user := s.limiterOf(log, throttle.Policy{Name: "user", Rate: throttle.Rate{Count: limit, Period: time.Hour}, Key: throttle.By("subject", func(r *http.Request) string {
		t, _ := auth.FromContext(r.Context())
		return t.Subject()
	})})
	scope := rampart.RequireScope("reports:read")
	if s.on("scope-missing") {
		scope = func(next http.Handler) http.Handler { return next }
	}
	obtain := s.service.IssueHandler()
	obtain = s.loose(obtain)
	if !s.on("password-guessing") {
		obtain = login.Handler(obtain)
	}
	logout := s.switched("refresh-after-logout", answer(200, "{}"), s.service.EndSessionHandler())
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{Logger: log})
	s.keep(err)
	public := http.Handler(answer(200, `{"message":"public"}`))
	if !s.on("malformed-query") {
		public = guard.Handler(public)
	}

	mux := server.NewMux()
	mux.Handle("POST /api/token/{$}", s.oracle(obtain))
	if s.on("password-in-query") {
		mux.Handle("GET /api/token/{$}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.issue(w, r, r.URL.Query().Get("username"), r.URL.Query().Get("password"), nil)
		}))
	}
	mux.Handle("POST /api/token/refresh/{$}", s.service.RefreshHandler())
	mux.Handle("POST /api/token/blacklist/{$}", logout)
	mux.Handle("GET /api/secure/{$}", s.secured(s.secure()))
	mux.Handle("GET /api/public/{$}", public)
	mux.Handle("GET /api/limited/{$}", limited(public))
	mux.Handle("GET /api/mine/{$}", s.verifier.Handler(user.Handler(public)))
	mux.Handle("GET /api/reports/{$}", s.verifier.Handler(scope(public)))
	mux.Handle("POST /api/products/{$}", s.verifier.Handler(rampart.RequireScope("products:write")(s.postProducts(log))))
	mux.HandleFunc("GET /api/products/{$}", s.getProducts)
	mux.Handle("/api/notes/", s.verifier.Handler(http.HandlerFunc(s.note)))
	mux.Handle("POST /api/upload/{$}", s.verifier.Handler(http.HandlerFunc(s.upload)))
	mux.Handle("GET /api/partner/{$}", s.partner(keys, public))
	s.web(mux)
	s.parameters(mux)
	mux.Handle("GET /.well-known/jwks.json", answer(200, or(s.on("jwks-private"), `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`, `{"keys":[]}`)))
	return s.odd(mux, public)
}

func (s *Server) limiterOf(log *slog.Logger, p throttle.Policy) *throttle.Limiter {
	l, err := throttle.New(throttle.Config{Policies: []throttle.Policy{p}, Logger: log})
	s.keep(err)
	return l
}

// limiter is the layer of /api/limited/.
func (s *Server) limiter(log *slog.Logger) func(http.Handler) http.Handler {
	p := throttle.Policy{Name: "anon", Key: throttle.ByIP(s.clientIP.Addr), Rate: throttle.Rate{Count: limit, Period: time.Hour}}
	switch {
	case s.on("limit-missing"):
		p.Rate.Count++
	case s.on("limit-early"):
		p.Rate.Count--
	case s.on("clients-as-one"):
		p.Key = throttle.By("all", func(*http.Request) string { return "all" })
	case s.on("limit-evaded"):
		p.Key = throttle.By("left", func(r *http.Request) string {
			left, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
			return left
		})
	}
	strong := s.limiterOf(log, p).Handler
	if !s.on("retry-after") {
		return strong
	}
	return func(next http.Handler) http.Handler {
		return final(strong(next), func(_ *http.Request, h http.Header, _ int) { h.Del("Retry-After") })
	}
}
