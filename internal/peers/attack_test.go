package peers_test

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
	"github.com/unrolled/secure"

	"github.com/ecolaura/rampart/attack"
)

// TestAServiceOfChiAndPeersThatIsSetWellGivesNoFinding attacks chi with popular
// middleware, each set as its own documents say that it should be.
func TestAServiceOfChiAndPeersThatIsSetWellGivesNoFinding(t *testing.T) {
	tokens := jwtauth.New("HS256", []byte("a signing secret of 32 bytes and more"), nil)
	write := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { write(w, status, map[string]int{"status": status}) }
	}
	byAddr := func(r *http.Request) (string, error) { // there is no proxy
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		return host, err
	}
	r := chi.NewRouter()
	r.NotFound(refuse(http.StatusNotFound))
	r.MethodNotAllowed(refuse(http.StatusMethodNotAllowed))
	protect := secure.New(secure.Options{
		AllowedHosts: []string{`^127\.0\.0\.1:\d+$`}, AllowedHostsAreRegex: true, FrameDeny: true, ContentTypeNosniff: true,
		ReferrerPolicy: "no-referrer", ContentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
	})
	protect.SetBadHostHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'"} {
			w.Header().Set(name, value)
		}
		refuse(http.StatusBadRequest)(w, r)
	}))
	r.Use(protect.Handler)
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			next.ServeHTTP(w, r)
		})
	})
	r.Use(cors.Handler(cors.Options{AllowedOrigins: []string{"https://www.example.com"}, AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"Authorization", "Content-Type"}}))
	r.With(httprate.LimitBy(100, time.Hour, byAddr)).Get("/public", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "public") })
	r.With(httprate.LimitBy(20, time.Hour, byAddr)).Post("/api/token/", func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ Username, Password string }
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&sent) != nil || sent.Username != "alice" && sent.Username != "bob" || sent.Password != sent.Username+"'s password" {
			refuse(http.StatusUnauthorized)(w, r)
			return
		}
		_, token, err := tokens.Encode(map[string]any{"sub": sent.Username, "exp": time.Now().Add(time.Minute).Unix()})
		if err != nil {
			refuse(http.StatusInternalServerError)(w, r)
			return
		}
		write(w, http.StatusOK, map[string]string{"access": token})
	})
	r.Group(func(r chi.Router) {
		r.Use(jwtauth.Verify(tokens, jwtauth.TokenFromHeader)) // Verifier looks into cookies, too
		r.Use(jwtauth.Authenticator(tokens))
		r.Get("/secure", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, "secure") })
	})
	attack.Run(t, attack.Target{
		Handler: r, Public: "/public", Secure: "/secure", Guesses: 21, Origins: []string{"https://www.example.com"},
		Alice: attack.Account{Name: "alice", Password: "alice's password"}, Bob: attack.Account{Name: "bob", Password: "bob's password"},
		Limits: []attack.Limit{{Name: "public", Request: attack.Request{Path: "/public"}, Count: 100}},
	})
}
