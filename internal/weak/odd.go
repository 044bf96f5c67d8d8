package weak

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
)

// odd has the weaknesses of an application's own routing.
func (s *Server) odd(next, public http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		missing := strings.HasPrefix(r.URL.Path, "/attack-missing")
		if file := s.file(r.URL.Path); file != "" {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.WriteString(w, file)
			return
		}
		switch {
		case s.on("path-confusion") && r.URL.Path != "/api/secure/" && strings.EqualFold(r.URL.Path, "/api/secure/"):
			answer(200, `{"message":"secure"}`)(w, r)
		case s.on("method-override") && r.Method == http.MethodPost && r.Header.Get("X-Http-Method-Override") != "":
			public.ServeHTTP(w, r)
		case s.on("trace") && r.Method == http.MethodTrace:
			w.Header().Set("Content-Type", "message/http")
			_ = r.Header.Write(w)
		case s.on("forwarded-host") && missing && r.Header.Get("X-Forwarded-Host") != "":
			http.Redirect(w, r, "https://"+r.Header.Get("X-Forwarded-Host")+"/", http.StatusFound)
		case s.on("html-reflected") && missing:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, "<p>no page %s", r.URL.Path)
		case s.on("error-leak") && missing:
			answer(404, `{"error":"pq: relation \"pages\" does not exist (SQLSTATE 42P01)"}`)(w, r)
		case s.on("crash") && r.Method == "ATTACK":
			(&rampart.Problem{Status: 500}).Write(w)
		case s.on("verb-tampering") && r.Method == http.MethodPost && r.URL.Path == "/api/secure/":
			answer(200, `{"message":"secure"}`)(w, r)
		case s.on("header-injection") && missing && strings.ContainsAny(r.URL.Path, "\r\n"):
			split(w, r.URL.Path)
		case s.on("websocket-origin") && r.URL.Path == "/ws" && r.Header.Get("Upgrade") == "websocket":
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
