package attack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
)

// places are the findings of a weakness, each as method and path.
func places(findings []attack.Finding, id string) (all []string) {
	for _, f := range findings {
		if f.ID == id {
			all = append(all, f.Method+" "+f.Path)
		}
	}
	return all
}

func given(context.Context, *attack.Client, attack.Account) (attack.Session, error) {
	return attack.Session{Access: "the token of bob"}, nil
}

// Each service has one weakness of its own, in places that the weak service has not.
func TestAWeaknessIsFoundWhereItIs(t *testing.T) {
	t.Parallel()
	bob := attack.Account{Name: "bob", Password: "bob's password"}
	get := func(path string, h http.HandlerFunc) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+path, h)
		return mux
	}
	to := func(clean func(string) string) http.Handler { // a redirect that cleans its parameter, not well enough
		return get("/go", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", clean(r.URL.Query().Get("next")))
			w.WriteHeader(http.StatusFound)
		})
	}
	fetch := func(u string) {
		if resp, err := http.Get(u); err == nil {
			_ = resp.Body.Close()
		}
	}
	for desc, tt := range map[string]struct {
		handler http.Handler
		target  attack.Target
		id      string
		at      string
	}{
		"a private route without a token": {
			http.HandlerFunc(open), attack.Target{Routes: []attack.Route{{Path: "/a"}, {Path: "/b?x=1", Private: true}, {Path: "/c", Private: true}}}, "no-token", "GET /c",
		},
		"a private route for any token": {
			get("/b", func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}), attack.Target{Routes: []attack.Route{{Path: "/b", Private: true}}, Bob: bob, Login: given}, "forged-token", "GET /b",
		},
		"a redirect to a host without a scheme": {
			to(func(s string) string { return strings.TrimPrefix(s, "https:") }), attack.Target{Routes: []attack.Route{{Path: "/go?next=/"}}}, "open-redirect", "GET /go",
		},
		"a redirect that refuses slashes, and not backslashes": {
			to(func(s string) string {
				if strings.HasPrefix(s, "//") || strings.Contains(s, "://") || strings.Contains(s, "\t") {
					return "/"
				}
				return s
			}), attack.Target{Routes: []attack.Route{{Path: "/go?next=/"}}}, "open-redirect", "GET /go",
		},
		"a redirect that a space gets past": {
			to(func(s string) string {
				if !strings.HasPrefix(s, " ") {
					return "/"
				}
				return strings.TrimSpace(s)
			}), attack.Target{Routes: []attack.Route{{Path: "/go?next=/"}}}, "open-redirect", "GET /go",
		},
		"a redirect that takes a slash away": {
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.RequestURI, "//") {
					w.Header().Set("Location", r.RequestURI)
					w.WriteHeader(http.StatusMovedPermanently)
				}
			}), attack.Target{Public: "/"}, "open-redirect", "GET //evil.example",
		},
		"a folder that a path leaves": {
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.RequestURI, "%2e%2e/") && strings.HasSuffix(r.URL.Path, "/etc/passwd") {
					fmt.Fprint(w, "root:x:0:0:root:/root:/bin/sh\n")
					return
				}
				w.WriteHeader(http.StatusNotFound)
			}), attack.Target{Routes: []attack.Route{{Path: "/docs/a.txt"}}}, "path-traversal", "GET /docs/" + strings.Repeat("%2e%2e/", 8) + "etc/passwd",
		},
		"a URL in a body": {
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var sent struct{ Hook string }
				if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&sent) == nil {
					fetch(sent.Hook)
				}
				_, _ = io.WriteString(w, "{}")
			}), attack.Target{Alice: bob, Login: given, Write: attack.Request{Path: "/hooks", Body: `{"hook":"https://www.example.com/"}`}}, "ssrf", "POST /hooks",
		},
		"a folder of a path that is known": {
			get("/pictures/", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "<html><head><title>Index of /pictures/</title></head>")
			}), attack.Target{Routes: []attack.Route{{Path: "/pictures/a.png"}}}, "directory-listing", "GET /pictures/",
		},
		"a web socket at a route": {
			get("/chat", func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					w.Header().Set("Upgrade", "websocket")
					w.Header().Set("Connection", "Upgrade")
					w.WriteHeader(http.StatusSwitchingProtocols)
				}
			}), attack.Target{Routes: []attack.Route{{Path: "/chat"}}}, "websocket-origin", "GET /chat",
		},
		"HEAD without a token": {
			get("/secure", func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead && r.Header.Get("Authorization") != "Bearer the token of bob" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				fmt.Fprint(w, "private")
			}), attack.Target{Secure: "/secure", Bob: bob, Login: given}, "verb-tampering", "HEAD /secure",
		},
	} {
		t.Run(desc, func(t *testing.T) {
			tt.target.Handler = tt.handler
			findings, err := attack.Scan(t.Context(), tt.target)
			require.NoError(t, err)
			assert.Contains(t, places(findings, tt.id), tt.at)
		})
	}
}

func TestEveryPlaceIsListedAndNoMoreThanFifty(t *testing.T) {
	var routes []attack.Route
	for i := range 60 {
		routes = append(routes, attack.Route{Path: fmt.Sprintf("/%02d", i), Private: true})
	}
	findings, err := attack.Scan(t.Context(), attack.Target{Handler: http.HandlerFunc(open), Routes: routes})
	require.NoError(t, err)
	got := places(findings, "no-token")
	assert.Len(t, got, 50)
	assert.Contains(t, got, "GET /00")
	assert.Contains(t, got, "GET /49")
}

func TestASessionThatCannotBeEndedIsMisdescribed(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/login" && strings.Contains(r.PostFormValue("password"), "password"):
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "a-session-of-bob", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		case r.URL.Path == "/secure" && strings.Contains(r.Header.Get("Cookie"), "a-session-of-bob"):
		case r.URL.Path == "/logout":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	findings, err := attack.Scan(t.Context(), attack.Target{
		Handler: h, Login: attack.LoginForm{Path: "/login", Cookies: true}.Login, Bob: attack.Account{Name: "bob", Password: "a password"}, Secure: "/secure", Logout: "/logout",
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"POST /logout"}, places(findings, "misdescribed"))
}

func TestAServiceMayBeBelowAPath(t *testing.T) {
	var outside []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, err := url.ParseRequestURI(r.RequestURI); err == nil && strings.HasPrefix(u.Path, "/v1/") {
			return
		}
		if r.RequestURI != "*" && !strings.Contains(r.RequestURI, "evil.example") {
			outside = append(outside, r.RequestURI)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	findings, err := attack.Scan(t.Context(), attack.Target{URL: srv.URL + "/v1/", Public: "/a", Routes: []attack.Route{{Path: "/b", Private: true}}})
	srv.Close() // outside is not written any more
	require.NoError(t, err)
	assert.Empty(t, outside)
	assert.Equal(t, []string{"GET /v1/b"}, places(findings, "no-token"))
}
