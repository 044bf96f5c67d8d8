package weak

import (
	"crypto/rand"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
)

// web is what browsers use: pages with a session in a cookie.
func (s *Server) web(mux interface {
	Handle(pattern string, h http.Handler)
},
) {
	csrf, err := headers.NewCSRF(headers.CSRFConfig{})
	s.keep(err)
	own := csrf.Handler
	if s.on("csrf") {
		own = func(next http.Handler) http.Handler { return next }
	}
	mux.Handle("GET /{$}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page(w, http.StatusOK, `<title>A service</title><ul><li><a href="/api/public/">public</a><li><a href="/web/login/">log in</a><li><a href="/api/products/">products</a>
<li><a href="/api/go/?next=/api/public/">go</a><li><a href="/api/files/?name=a.txt">a file</a><li><a href="/api/preview/?url=https://www.example.com/">a preview</a></ul>`)
	}))
	mux.Handle("GET /web/login/{$}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page(w, http.StatusOK, `<form method="post"><input name="username"><input name="password" type="password"></form>`)
	}))
	mux.Handle("POST /web/login/{$}", own(http.HandlerFunc(s.begin)))
	mux.Handle("GET /web/me/{$}", s.visitor(func(w http.ResponseWriter, _ *http.Request) { page(w, http.StatusOK, "<p>me") }))
	mux.Handle("POST /web/profile/{$}", own(s.visitor(func(w http.ResponseWriter, _ *http.Request) { page(w, http.StatusOK, "<p>saved") })))
	mux.Handle("POST /web/logout/{$}", own(s.visitor(func(w http.ResponseWriter, r *http.Request) {
		if !s.on("session-after-logout") {
			s.mu.Lock()
			delete(s.visits, visit(r))
			s.mu.Unlock()
		}
		setVisit(w, "", -1)
		page(w, http.StatusOK, "<p>bye")
	})))
}

func page(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!doctype html>" + body)) // the client's affair
}

const visitCookie = "visit"

func visit(r *http.Request) string {
	cookie, err := r.Cookie(visitCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func setVisit(w http.ResponseWriter, id string, age int) {
	http.SetCookie(w, &http.Cookie{Name: visitCookie, Value: id, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// begin logs a visitor in.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) {
	name, password := r.PostFormValue("username"), r.PostFormValue("password")
	if _, err := (people{}).Login(r.Context(), name, password); err != nil {
		page(w, http.StatusUnauthorized, "<p>no")
		return
	}
	id := rand.Text()
	if given := visit(r); s.on("session-fixed") && given != "" {
		id = given
	}
	s.mu.Lock()
	if len(s.visits) < 10_000 {
		s.visits[id] = name
	}
	s.mu.Unlock()
	setVisit(w, id, 3600)
	page(w, http.StatusOK, "<p>welcome")
}

// visitor lets in who is logged in.
func (s *Server) visitor(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		name := s.visits[visit(r)]
		s.mu.Unlock()
		if name == "" {
			(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
			return
		}
		next(w, r)
	})
}
