package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/internal/weak"
)

// write makes a file.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestNothingIsSentToOthersUnasked(t *testing.T) {
	for _, args := range [][]string{
		{"http://example.com"},
		{"https://192.0.2.1"},
		{"http://127.0.0.1.example.com"},
		{"-i-own", "other.example", "http://example.com"},
		{"-config", write(t, "target.yml", "url: http://example.com\nowned: [other.example]\n")},
		{"-config", write(t, "target.yml", "login: {kind: oauth2, token-url: \"https://id.example.com/token\"}\n"), "http://127.0.0.1:1"},
	} {
		status, out, errOut := session{}.do(t, "yes\nexample.com\n", append([]string{"attack"}, args...)...)
		assert.Equal(t, exitError, status, args)
		assert.Empty(t, out)
		assert.Contains(t, errOut, "is not this machine", args)
	}
	// Whose it is said to be is asked; nothing answers there.
	for _, args := range [][]string{
		{"-i-own", "nothing.invalid", "http://nothing.invalid"},
		{"-config", write(t, "target.yml", "url: http://nothing.invalid\nowned: [nothing.invalid]\n")},
		{"http://127.0.0.1:1"},
		{"http://[::1]:1"},
		{"http://a.localhost:1"},
	} {
		status, _, errOut := session{}.do(t, "", append([]string{"attack"}, args...)...)
		assert.Equal(t, exitError, status, args)
		assert.Contains(t, errOut, "nothing answers", args)
	}
}

func TestWrongArgumentsAreTold(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{}, "a command is missing"},
		{[]string{"nosuch"}, "no such command"},
		{[]string{"attack"}, "a URL is missing"},
		{[]string{"attack", "http://127.0.0.1", "http://127.0.0.2"}, "one URL"},
		{[]string{"attack", "ftp://127.0.0.1"}, "must be http or https"},
		{[]string{"attack", "http://user:hunter2@127.0.0.1"}, "without userinfo"},
		{[]string{"attack", "-format", "pdf", "http://127.0.0.1"}, "-format is"},
		{[]string{"attack", "-severity", "bad", "http://127.0.0.1"}, "-severity is"},
		{[]string{"attack", "-only", "nosuch", "http://127.0.0.1"}, `no weakness "nosuch"`},
		{[]string{"attack", "-pasword=hunter2", "http://127.0.0.1"}, "a flag is unknown"},
		{[]string{"attack", "-config", "testdata/nosuch.yml"}, "no such file"},
		{[]string{"attack", "-openapi", "testdata/nosuch.yml", "http://127.0.0.1"}, "no such file"},
		{[]string{"attack", "-config", write(t, "target.yml", "nosuch: 1"), "http://127.0.0.1"}, "field nosuch not found"},
		{[]string{"attack", "-config", write(t, "target.yml", "bob: {password: [hunter2]}"), "http://127.0.0.1"}, "a secret is a text"},
		{[]string{"attack", "-config", write(t, "target.yml", "bob: hunter2"), "http://127.0.0.1"}, "cannot unmarshal"},
		{[]string{"attack", "-config", write(t, "target.yml", "bob: {password: \"${NOSUCH}\"}"), "http://127.0.0.1"}, "the environment has no NOSUCH"},
		{[]string{"attack", "-config", write(t, "target.yml", "login: {kind: magic}"), "http://127.0.0.1"}, "login.kind"},
		{[]string{"attack", "-config", write(t, "target.yml", "login: {kind: form}"), "http://127.0.0.1"}, "login.path"},
		{[]string{"attack", "-config", write(t, "target.yml", "login: {kind: oauth2}"), "http://127.0.0.1"}, "login.token-url"},
		{[]string{"attack", "-baseline", write(t, "b.yml", "accepted: [{id: nosuch}]"), "http://127.0.0.1"}, "no weakness"},
		{[]string{"attack", "-baseline", write(t, "b.yml", "accepted: [{id: csrf, expires: 2027-01-31}]"), "http://127.0.0.1"}, "a reason is missing"},
		{[]string{"attack", "-baseline", write(t, "b.yml", "accepted: [{id: csrf, reason: x, expires: soon}]"), "http://127.0.0.1"}, "expires is a day"},
	} {
		status, out, errOut := session{}.do(t, "", tt.args...)
		assert.Equal(t, exitError, status, tt.args)
		assert.Contains(t, errOut, tt.says, tt.args)
		assert.NotContains(t, out+errOut, "hunter2", tt.args)
	}
}

func TestHelpAndCompletionAreThere(t *testing.T) {
	for _, args := range [][]string{{"-help"}, {"attack", "-help"}, {"audit", "-help"}, {"token", "verify", "-help"}, {"-version"}, {"attack", "-list"}, {"completion", "bash"}} {
		status, out, errOut := session{}.do(t, "", args...)
		assert.Equal(t, exitClean, status, errOut)
		assert.NotEmpty(t, out, args)
	}
}

func TestABaselineAcceptsFindingsUntilItExpires(t *testing.T) {
	_, url := serveWeak(t, weak.Config{Weak: []string{"env-exposed", "trace"}, Direct: true})
	day := func(d time.Duration) string { return time.Now().UTC().Add(d).Format(time.DateOnly) }
	accept := func(entries string) string { return write(t, "baseline.yml", "accepted:\n"+entries) }
	env := "- {id: env-exposed, path: /.e*, reason: a decoy, expires: "

	status, out, _ := session{}.do(t, "", "attack", "-only", "env-exposed", "-baseline", accept(env+day(0)+"}\n"), url)
	assert.Equal(t, exitClean, status, out)
	assert.Contains(t, out, "1 finding accepted")

	status, out, _ = session{}.do(t, "", "attack", "-only", "env-exposed", "-baseline", accept(env+day(-48*time.Hour)+"}\n"), url)
	assert.Equal(t, exitFound, status)
	assert.Contains(t, out, "has expired")

	status, out, _ = session{}.do(t, "", "attack", "-severity", "high", "-baseline", accept(env+day(0)+"}\n- {id: csrf, reason: x, expires: "+day(0)+"}\n"), url)
	assert.Equal(t, exitClean, status, "TRACE is low\n"+out)
	assert.Contains(t, out, "entry 2 of the baseline (csrf) covers nothing")

	status, out, _ = session{}.do(t, "", "attack", "-baseline", accept(env+day(0)+"}\n"), url)
	assert.Equal(t, exitFound, status)
	assert.Contains(t, out, "TRACE echoes")

	file := filepath.Join(t.TempDir(), "report.md")
	status, out, _ = session{}.do(t, "", "attack", "-format", "md", "-o", file, url)
	assert.Equal(t, exitFound, status)
	assert.Empty(t, out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "## A file of settings can be fetched")
}

func TestRequestsAndTimeAreBounded(t *testing.T) {
	var sent atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent.Add(1) }))
	defer srv.Close()
	status, out, errOut := session{}.do(t, "", "attack", "-requests", "20", srv.URL)
	assert.Equal(t, exitError, status)
	assert.Contains(t, out+errOut, "MaxRequests are sent")
	assert.LessOrEqual(t, sent.Load(), int64(21), "and the first page")

	status, _, errOut = session{}.do(t, "", "attack", "-time", "1ns", srv.URL)
	assert.Equal(t, exitError, status)
	assert.NotEmpty(t, errOut)
	assert.Equal(t, 20*time.Millisecond, pace(0, "example.com"))
	assert.Equal(t, 100*time.Millisecond, pace(10, "127.0.0.1"))
	assert.Zero(t, pace(0, "127.0.0.1"))
}

func TestAServiceThatIsDownIsNotCalledGood(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer srv.Close()
	status, _, errOut := session{}.do(t, "", "attack", srv.URL)
	assert.Equal(t, exitError, status)
	assert.Contains(t, errOut, "status 502")
}

// A service below a prefix, with a log-in of each kind.
func TestEachKindOfLogInOpensAServiceBelowAPrefix(t *testing.T) {
	secure := func(w http.ResponseWriter) {
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			w.Header().Set(name, value)
		}
	}
	var foreign atomic.Value // what was asked outside the prefix
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w)
		if !strings.HasPrefix(r.URL.Path, "/base/") && r.RequestURI != "*" && !strings.Contains(r.URL.Path, "..") && !strings.Contains(r.URL.Path, "//") {
			foreign.Store(r.RequestURI)
		}
		user, password, basic := r.BasicAuth()
		password, _ = url.QueryUnescape(password) // RFC 6749 section 2.3.1
		_ = r.ParseForm()
		known := func(name, secret string) bool {
			return (name == "alice" || name == "bob") && secret == "secret of "+name
		}
		in := r.Header.Get("Authorization") == "Bearer t" || r.Header.Get("X-Api-Key") == "t"
		if cookie, err := r.Cookie("session"); err == nil && cookie.Value == "a-session-of-cookies" {
			in = true
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /base/public":
		case "GET /base/form":
			http.SetCookie(w, &http.Cookie{Name: "csrftoken", Value: "c", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			_, _ = w.Write([]byte(`<form><input type=hidden name="csrfmiddlewaretoken" value="a&amp;b">`))
		case "GET /base/secure":
			if !in {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte("private"))
		case "POST /base/token":
			if !basic || !known(user, password) || r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("scope") != "s" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"access_token":"t"}`))
		case "POST /base/login":
			if !known(r.PostForm.Get("username"), r.PostForm.Get("password")) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"token":"t"}`))
		case "POST /base/cookies":
			if !known(r.PostForm.Get("username"), r.PostForm.Get("password")) || r.PostForm.Get("csrfmiddlewaretoken") != "a&b" || r.Header.Get("X-Csrftoken") != "a&b" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "a-session-of-cookies", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			w.WriteHeader(http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	accounts := "alice: {name: alice, password: secret of alice}\nbob: {name: bob, password: secret of bob}\n"
	tokens := "alice: {token: t}\nbob: {token: t}\n"
	for kind, text := range map[string]string{
		"form":    "login: {kind: form, path: /login}\n" + accounts,
		"cookies": "login: {kind: cookies, path: /cookies, page: /form}\n" + accounts,
		"oauth2":  "login: {kind: oauth2, scope: s, token-url: \"" + srv.URL + "/base/token\"}\n" + accounts,
		"token":   "login: {kind: token}\n" + tokens,
		"api-key": "login: {kind: api-key}\n" + tokens,
	} {
		t.Run(kind, func(t *testing.T) {
			file := write(t, "target.yml", text+"public: /public\nsecure: /secure\nowned: []\n")
			status, out, errOut := session{}.do(t, "", "attack", "-config", file, "-format", "json", "-only", "misdescribed,no-token,forged-token,private-cached,headers-missing", srv.URL+"/base")
			require.Equal(t, exitClean, status, out+errOut)
			bad := write(t, "target.yml", strings.ReplaceAll(strings.ReplaceAll(text, "secret of", "no secret of"), "token: t}", "token: x}")+"public: /public\nsecure: /secure\n")
			status, out, _ = session{}.do(t, "", "attack", "-config", bad, "-only", "misdescribed", srv.URL+"/base")
			assert.Equal(t, exitFound, status, "a log-in that fails is told")
			assert.NotContains(t, out, "secret of")
		})
	}
	assert.Nil(t, foreign.Load(), "all is asked below the prefix")
}

func TestLinksAreThoseOfTheSameOriginBelowTheBase(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<a href="a?x=1&amp;y=2">a</a><a href='/base/b'>b</a><a href=/other>c</a><a href="https://evil.example/">d</a><a href="//evil.example/base/">e</a>
<a href="logout">bye</a><form action="f"></form><a href="a?x=1&amp;y=2">again</a><a href="javascript:x()">j</a><a href="../up">u</a>`))
	}))
	defer srv.Close()
	routes, err := discover(t.Context(), &attack.Target{URL: srv.URL + "/base"})
	require.NoError(t, err)
	assert.Equal(t, []attack.Route{{Path: "/a?x=1&y=2"}, {Path: "/b"}, {Path: "/f"}}, routes)
}
