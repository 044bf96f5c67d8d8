package peers_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
	"github.com/unrolled/secure"

	"github.com/ecolaura/rampart/attack"
)

// plain is a service of popular middleware, each used as its own README shows it first.
func plain() http.Handler {
	tokens := jwtauth.New("HS256", []byte("secret of the example, made longer"), nil)
	protect := secure.New(secure.Options{
		STSSeconds: 31536000, STSIncludeSubdomains: true, FrameDeny: true, ContentTypeNosniff: true, BrowserXssFilter: true,
		ContentSecurityPolicy: "default-src 'self'",
	})
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Recoverer)
	r.Use(protect.Handler)
	r.Use(cors.Handler(cors.Options{
		AllowedOrigins: []string{"https://*", "http://*"}, AllowedMethods: []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"},
		AllowedHeaders: []string{"Accept", "Authorization", "Content-Type", "X-CSRF-Token"}, ExposedHeaders: []string{"Link"}, MaxAge: 300,
	}))
	r.Use(httprate.LimitBy(100, time.Minute, func(r *http.Request) (string, error) { // there is no proxy
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		return host, err
	}))
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	r.Get("/public", func(w http.ResponseWriter, _ *http.Request) { write(w, "public") })
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ Username, Password string }
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if sent.Username != "alice" && sent.Username != "bob" || sent.Password != sent.Username+"'s password" {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		_, token, err := tokens.Encode(map[string]any{"sub": sent.Username, "exp": time.Now().Add(time.Hour).Unix()})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, map[string]string{"access": token})
	})
	r.Group(func(r chi.Router) {
		r.Use(jwtauth.Verifier(tokens), jwtauth.Authenticator(tokens))
		r.Get("/secure", func(w http.ResponseWriter, r *http.Request) {
			_, claims, _ := jwtauth.FromContext(r.Context())
			write(w, claims["sub"])
		})
		r.Post("/notes", func(w http.ResponseWriter, r *http.Request) {
			var note struct{ Text string }
			if err := json.NewDecoder(r.Body).Decode(&note); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusCreated)
			write(w, note)
		})
	})
	return r
}

// why says what lets each weakness of the plain service through, and what stops it.
var why = map[string][2]string{ // read-only
	"ambiguous-json":    {"encoding/json: the last of two members with one name counts", "`sanitize`"},
	"content-type":      {"encoding/json: nobody looks at Content-Type, so a form of another site is read, too", "`sanitize`"},
	"cors-foreign":      {"go-chi/cors with `https://*`, as its README has it", "`cors`"},
	"foreign-host":      {"unrolled/secure without AllowedHosts", "`headers`"},
	"headers-missing":   {"unrolled/secure: no Referrer-Policy unless it is asked for", "`headers`"},
	"hostile-json":      {"encoding/json: no bound on size and depth", "`sanitize`"},
	"password-guessing": {"httprate: one limit for all routes", "`throttle`"},
	"private-cached":    {"jwtauth: no Cache-Control", "`headers`"},
}

const plainBegin, plainEnd = "<!-- generated: cd internal/peers && GOWORK=off RAMPART_UPDATE=1 go test -run Plain . -->\n", "<!-- end -->\n"

// TestThePlainServiceOfTheReadme attacks it, and holds README's table to the outcome.
func TestThePlainServiceOfTheReadme(t *testing.T) {
	findings, err := attack.Scan(t.Context(), attack.Target{
		Handler: plain(), Public: "/public", Secure: "/secure", Login: attack.JSONLogin("/login"), Guesses: 20,
		Write: attack.Request{Method: http.MethodPost, Path: "/notes", ContentType: "application/json", Body: `{"text":"hello"}`},
		Alice: attack.Account{Name: "alice", Password: "alice's password"}, Bob: attack.Account{Name: "bob", Password: "bob's password"},
		Limits: []attack.Limit{{Name: "public", Request: attack.Request{Path: "/public"}, Count: 100}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Whether the client reads the response to a body of 16 MiB, before the server closes
	// the connection, is a matter of luck.
	findings = slices.DeleteFunc(findings, func(f attack.Finding) bool { return f.ID == "large-body" })
	slices.SortStableFunc(findings, func(a, b attack.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.ID, b.ID))
	})
	findings = slices.CompactFunc(findings, func(a, b attack.Finding) bool { return a.ID == b.ID })
	var b strings.Builder
	b.WriteString("| Weakness | Severity | Because of | Stopped by |\n|---|---|---|---|\n")
	for _, f := range findings {
		if why[f.ID][0] == "" {
			t.Errorf("%s is new: say why it gets through\n%s", f.ID, f)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Title, f.Severity, why[f.ID][0], why[f.ID][1])
	}
	if len(findings) != len(why) {
		t.Errorf("%d weaknesses are found, not %d", len(findings), len(why))
	}

	const name = "../../README.md"
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(old), plainBegin)
	_, after, ok2 := strings.Cut(rest, plainEnd)
	if !ok1 || !ok2 {
		t.Fatal("README.md has lost the marks around its table of weaknesses")
	}
	text := before + plainBegin + b.String() + plainEnd + after
	switch {
	case text == string(old):
	case os.Getenv("RAMPART_UPDATE") == "":
		t.Fatal("README.md has another table: cd internal/peers && GOWORK=off RAMPART_UPDATE=1 go test -run Plain .")
	default:
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
