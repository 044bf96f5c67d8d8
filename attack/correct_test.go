package attack_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
)

// plainService is one of net/http alone, as a careful engineer writes it.
func plainService() http.Handler {
	var mu sync.Mutex
	sessions, wrong := map[string]string{}, map[string]int{}
	refuse := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d}`, status)
	}
	known := func(next http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookie, err := r.Cookie("__Host-session")
			mu.Lock()
			defer mu.Unlock()
			if err != nil || sessions[cookie.Value] == "" {
				refuse(w, http.StatusUnauthorized)
				return
			}
			next(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><a href="/search?q=soap">search</a> <a href="/go?next=/search">go</a>`)
	})
	mux.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><p>nothing for %s", html.EscapeString(r.URL.Query().Get("q")))
	})
	mux.HandleFunc("GET /go", func(w http.ResponseWriter, r *http.Request) {
		next := r.URL.Query().Get("next")
		if next != "/search" {
			next = "/"
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><form method="post"><input name="username"><input name="password" type="password"></form>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		name := r.PostFormValue("username")
		mu.Lock()
		defer mu.Unlock()
		if wrong[name] >= 10 {
			w.Header().Set("Retry-After", "60")
			refuse(w, http.StatusTooManyRequests)
			return
		}
		if name != "alice" && name != "bob" || r.PostFormValue("password") != name+"'s password" {
			wrong[name]++
			refuse(w, http.StatusUnauthorized)
			return
		}
		id := rand.Text()
		sessions[id] = name
		http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /me", known(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"me":true}`)
	}))
	mux.Handle("POST /me", known(func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			Name string `json:"name"`
		}
		if dec := json.NewDecoder(r.Body); r.Header.Get("Content-Type") != "application/json" || dec.Decode(&sent) != nil || dec.More() || sent.Name == "" {
			refuse(w, http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.Handle("POST /logout", known(func(w http.ResponseWriter, r *http.Request) {
		cookie, _ := r.Cookie("__Host-session")
		delete(sessions, cookie.Value)
		w.WriteHeader(http.StatusNoContent)
	}))
	forged := http.NewCrossOriginProtection()
	forged.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusForbidden) }))
	inside := forged.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; form-action 'self'", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			w.Header().Set(name, value)
		}
		if !strings.HasPrefix(r.Host, "127.0.0.1:") {
			refuse(w, http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
		inside.ServeHTTP(w, r)
	})
}

func TestACorrectServiceOfNetHTTPAloneGivesNoFinding(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]attack.Target{
		"what anybody sees": {Public: "/", Routes: []attack.Route{{Path: "/search?q=soap"}, {Path: "/go?next=/search"}, {Path: "/login"}}},
		"logged in": {
			Public: "/", Secure: "/me", Logout: "/logout", Guesses: 12,
			Alice: attack.Account{Name: "alice", Password: "alice's password"}, Bob: attack.Account{Name: "bob", Password: "bob's password"},
			Login:  attack.LoginForm{Path: "/login", Page: "/login", Cookies: true}.Login,
			Scoped: nil, Invalid: []string{`{}`, `[]`, `{"name":1}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			target.Handler = plainService()
			findings, err := attack.Scan(t.Context(), target)
			require.NoError(t, err)
			for _, f := range findings {
				assert.Fail(t, f.String())
			}
		})
	}
}
