// Command spa serves a single-page app as Vite builds it, with its API on the same
// origin. A cookie holds the session, so scripts never see its secret, and CORS is
// not needed.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

//go:embed dist
var dist embed.FS // what "npm run build" leaves

func main() {
	h, err := service()
	if err != nil {
		log.Fatal(err)
	}
	srv := http.Server{Addr: "127.0.0.1:8087", Handler: h, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func service() (http.Handler, error) {
	cfg := headers.Web("localhost:*", "127.0.0.1:*") // a CSP of 'self', which a Vite build fits as it is
	cfg.Cookies.SameSite = map[string]http.SameSite{"session": http.SameSiteStrictMode}
	cfg.Cookies.Prefix = map[string]string{"session": "__Host-"} // no sibling host can plant one, over https
	clients, err1 := server.NewClientIP(rampart.Proxies{})
	browser, err2 := headers.New(cfg)
	limit, err3 := throttle.PerIP("1000/hour") // a page is several requests
	csrf, err4 := headers.NewCSRF(headers.CSRFConfig{})
	site, err5 := fs.Sub(dist, "dist")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	users := &sessions{users: map[string]string{}}
	mux := server.NewMux()
	mux.HandleFunc("POST /api/login", users.logIn)
	mux.Handle("GET /api/me", users.required(http.HandlerFunc(me)))
	mux.HandleFunc("/api/", http.NotFound) // a wrong call gets no page
	mux.Handle("/", pages(site))
	outside := rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler, Edge: limit.Handler}
	// CSRF stands around the log-in, too: another site must not log a visitor in as
	// somebody else. It needs no token in the page, for browsers say where a request
	// comes from.
	return rampart.Chain(server.Recover(slog.Default()), outside.Handler, csrf.Handler)(mux), nil
}

// pages serves the build; a path that the app's own router knows gets index.html.
func pages(site fs.FS) http.Handler {
	files := http.FileServerFS(site)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if strings.HasPrefix(name, "assets/") {
			if _, err := fs.Stat(site, name); err == nil { // Vite puts a hash into the name
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			files.ServeHTTP(w, r) // an old name is a 404, not a page that is no script
			return
		}
		w.Header().Set("Cache-Control", "no-cache") // the next release has another one
		if info, err := fs.Stat(site, name); name == "" || err != nil || info.IsDir() {
			http.ServeFileFS(w, r, site, "index.html")
			return
		}
		files.ServeHTTP(w, r)
	})
}

// sessions are those who are logged in, in memory. A real service keeps a hash of each
// id in its database, and ends them.
type sessions struct {
	mu    sync.Mutex
	users map[string]string
}

type userKey struct{}

// logIn stands for one that checks a password (see auth/password).
func (s *sessions) logIn(w http.ResponseWriter, _ *http.Request) {
	id := rand.Text()
	s.mu.Lock()
	s.users[id] = "Ada"
	s.mu.Unlock()
	// The layer Headers adds Secure, HttpOnly, SameSite and the prefix.
	http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/"}) //nolint:gosec // see above
	w.WriteHeader(http.StatusNoContent)
}

func (s *sessions) required(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err == nil {
			s.mu.Lock()
			user, ok := s.users[cookie.Value]
			s.mu.Unlock()
			if ok {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
				return
			}
		}
		(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
	})
}

func me(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // PresetWeb leaves that to the handler
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, r.Context().Value(userKey{})) //nolint:gosec // it is plain text, and nosniff
}
