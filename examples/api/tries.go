package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An exploit is a handful of harmless requests at this server, for the demo.
type exploit struct {
	Name, Title, Says string
	Query             string // of the console's events that show it
	method, path      string
	body              string
	headers           []string // name, value, …
	times             int
}

// exploits are what the page "Try an attack" offers.
var exploits = []exploit{ // read-only
	{"guess", "Guess a password", "Five wrong passwords for alice.", "event=authn_login_fail", "POST", "/api/token/", `{"username":"alice","password":"guess-%d"}`, nil, 5},
	{"flood", "Flood", "120 requests; a stranger has 100 an hour.", "layer=limit", "GET", "/api/public/", "", nil, 120},
	{"forge", "Forge a token", "A token that nobody signed.", "event=authz_fail", "GET", "/api/secure/", "", []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoiMSJ9."}, 2},
	{"script", "Post <script>", "A registration whose email holds a script.", "layer=input", "POST", "/api/register/", `{"name":"<script>alert(%d)</script>","email":"<script>","phone":"1"}`, nil, 2},
	{"origin", "Call from another origin", "A preflight of a page that is not listed.", "layer=cors", "OPTIONS", "/api/products/", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 2},
}

// A tried is what the server answered to one request.
type tried struct {
	Request, Body string
	Status        int
}

// maxTried is how many answers a page shows.
const maxTried = 10

// try fires the requests of an attack at the whole server, as the client of r.
func (a exploit) try(r *http.Request, target http.Handler) []tried {
	var list []tried
	for i := range a.times {
		body := a.body
		if strings.Contains(body, "%d") {
			body = fmt.Sprintf(body, i)
		}
		q, err := http.NewRequestWithContext(r.Context(), a.method, "http://"+r.Host+a.path, io.NopCloser(strings.NewReader(body))) //nolint:gosec // it never leaves the process
		if err != nil {
			return list
		}
		q.RequestURI, q.RemoteAddr, q.ContentLength, q.TLS = a.path, r.RemoteAddr, int64(len(body)), r.TLS
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto"} { // what the proxy said of this client
			if values := r.Header[name]; values != nil {
				q.Header[name] = values
			}
		}
		if body != "" {
			q.Header.Set("Content-Type", "application/json")
		}
		for j := 0; j+1 < len(a.headers); j += 2 {
			q.Header.Set(a.headers[j], a.headers[j+1])
		}
		answer := &inner{header: http.Header{}}
		target.ServeHTTP(answer, q)
		list = append(list, tried{a.method + " " + a.path, answer.body.String(), answer.status})
	}
	return list[max(0, len(list)-maxTried):]
}

// getTry shows the attacks, and postTry tries one.
func (b *browser) getTry(w http.ResponseWriter, r *http.Request) {
	b.page(w, r, http.StatusOK, "try", map[string]any{"Attacks": exploits})
}

func (b *browser) postTry(target func() http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := b.form(w, r).Get("attack")
		for _, a := range exploits {
			if a.Name == name {
				b.page(w, r, http.StatusOK, "try", map[string]any{"Attacks": exploits, "Answers": a.try(r, target()), "Query": a.Query})
				return
			}
		}
		b.getTry(w, r)
	}
}
