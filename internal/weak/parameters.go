package weak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/session"
)

// parameters has handlers that do what a parameter says.
func (s *Server) parameters(mux interface {
	Handle(pattern string, h http.Handler)
},
) {
	mux.Handle("GET /api/go/{$}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("next")
		if to != "/api/public/" && !s.on("open-redirect") {
			to = "/api/public/"
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}))
	mux.Handle("GET /api/files/{$}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := r.URL.Query().Get("name"); {
		case name == "a.txt":
			answer(200, `"a"`)(w, r)
		case s.on("path-traversal") && strings.HasSuffix(name, "../etc/passwd"):
			answer(200, "root:x:0:0:root:/root:/bin/bash")(w, r) // as if it were read
		default:
			(&rampart.Problem{Status: 404, Code: "not_found"}).Write(w)
		}
	}))
	mux.Handle("GET /api/preview/{$}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// It fetches from this machine alone, so that no attack leaves it.
		if u, err := url.Parse(r.URL.Query().Get("url")); s.on("ssrf") && err == nil && net.ParseIP(u.Hostname()).IsLoopback() {
			client := http.Client{Timeout: 2 * time.Second}
			req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, u.String(), nil)
			if err == nil {
				if resp, err := client.Do(req); err == nil {
					_ = resp.Body.Close() // nothing is read
				}
			}
		}
		answer(200, `{"preview":""}`)(w, r)
	}))
}

// file is what should not be served at a path.
func (s *Server) file(path string) string {
	for _, f := range []struct{ id, path, text string }{
		{"env-exposed", "/.env", "SECRET_KEY=not-really\n"},
		{"repository-exposed", "/.git/HEAD", "ref: refs/heads/main\n"},
		{"profiler-exposed", "/debug/vars", `{"cmdline":["weak"],"memstats":{}}`},
		{"metrics-exposed", "/metrics", "# HELP requests Requests.\n# TYPE requests counter\nrequests 1\n"},
		{"backup-exposed", "/backup.sql", "CREATE TABLE users (id int);\n"},
		{"directory-listing", "/files/", "<pre>\n<a href=\"a.txt\">a.txt</a>\n</pre>\n"},
		{"console-exposed", "/actuator/env", `{"propertySources":[]}`},
	} {
		if s.on(f.id) && path == f.path {
			return f.text
		}
	}
	return ""
}

// split writes a response as a server does that does not look for line ends.
func split(w http.ResponseWriter, path string) {
	conn, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	var lines strings.Builder
	_ = w.Header().Write(&lines) // a builder takes everything
	_, _ = fmt.Fprintf(buffer, "HTTP/1.1 404 Not Found\r\n%sX-Path: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", lines.String(), path)
	_ = buffer.Flush() // the client's affair
}

// secure is the private answer.
func (s *Server) secure() http.Handler {
	const body = `{"message":"secure"}`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch wanted := r.Header.Get("Range"); {
		case s.on("jsonp") && r.URL.Query().Get("callback") != "":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprintf(w, "%s(%s)", r.URL.Query().Get("callback"), body)
		case s.on("ranges") && strings.Count(wanted, ",") > 5:
			answer(http.StatusPartialContent, strings.Repeat(body, strings.Count(wanted, ",")+1))(w, r)
		default:
			answer(http.StatusOK, body)(w, r)
		}
	})
}

// loose is a log-in that takes what is no password, or takes it from the query.
func (s *Server) loose(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.on("token-secrets"), s.on("login-bypass"):
			body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // what is cut is refused
			var sent struct {
				Username string
				Password any
			}
			_ = json.Unmarshal(body, &sent) // so is what is not JSON
			if _, object := sent.Password.(map[string]any); object && s.on("login-bypass") {
				s.issue(w, r, "bob", "bob's password", nil)
				return
			}
			if password, ok := sent.Password.(string); ok && s.on("token-secrets") && sent.Username == "bob" && password == "bob's password" {
				s.issue(w, r, sent.Username, password, map[string]any{"password_hash": "pbkdf2_sha256$1$a$b"})
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// issue responds with tokens, whose claims are more than they should be.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, name, password string, claims map[string]any) {
	_, err := people{}.Login(r.Context(), name, password)
	var pair *session.Pair
	if err == nil {
		pair, err = s.service.Issue(r.Context(), name, claims)
	}
	if err != nil {
		(&rampart.Problem{Status: 401}).Write(w)
		return
	}
	body, _ := json.Marshal(map[string]string{"access": pair.Access, "refresh": pair.Refresh}) // strings always marshal
	answer(http.StatusOK, string(body))(w, r)
}
