package headers_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// cookieForms is testdata/set_cookie.json, which a browser test can use too.
type cookieForms struct {
	Config struct {
		ScriptReadable []string          `json:"script_readable"`
		SameSite       map[string]string `json:"same_site"`
		Prefix         map[string]string `json:"prefix"`
	} `json:"config"`
	Forms []struct {
		Desc      string `json:"desc"`
		Scheme    string `json:"scheme"`
		SetCookie string `json:"set_cookie"`
		Want      string `json:"want"`
		Flaw      string `json:"flaw"`
		Jar       *struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"jar"`
	} `json:"forms"`
}

func readCookieForms(tb testing.TB) cookieForms {
	tb.Helper()
	data, err := os.ReadFile("testdata/set_cookie.json")
	require.NoError(tb, err)
	var forms cookieForms
	require.NoError(tb, json.Unmarshal(data, &forms))
	return forms
}

func (f cookieForms) config() headers.Config {
	cfg := headers.API("localhost:*")
	cfg.Cookies.ScriptReadable = f.Config.ScriptReadable
	cfg.Cookies.Prefix = f.Config.Prefix
	cfg.Cookies.SameSite = map[string]http.SameSite{}
	modes := map[string]http.SameSite{"Strict": http.SameSiteStrictMode, "Lax": http.SameSiteLaxMode, "None": http.SameSiteNoneMode}
	for name, mode := range f.Config.SameSite {
		cfg.Cookies.SameSite[name] = modes[mode]
	}
	return cfg
}

// localRequest is one that a loopback server serves over either scheme.
func localRequest(scheme string) *http.Request {
	r := over(scheme, "GET", "/")
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:4711"
	return r
}

// setting returns a handler that sets cookies as they are.
func setting(lines ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Set-Cookie"] = lines })
}

func TestSetCookieForms(t *testing.T) {
	table := readCookieForms(t)
	assert.GreaterOrEqual(t, len(table.Forms), 60)
	for _, f := range table.Forms {
		t.Run(f.Desc, func(t *testing.T) {
			var log bytes.Buffer
			cfg := table.config()
			cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			h := newHeaders(t, cfg)
			got := answer(h.Handler(setting(f.SetCookie)), localRequest(f.Scheme)).Header["Set-Cookie"]
			require.Equal(t, []string{f.Want}, got)
			if f.Flaw == "" {
				assert.Empty(t, log.String())
			} else {
				assert.Contains(t, log.String(), `"event":"sys_cookie_dropped"`)
				assert.Contains(t, log.String(), `"reason":"`+f.Flaw+`"`)
			}

			again := answer(h.Handler(setting(f.Want)), localRequest(f.Scheme)).Header["Set-Cookie"]
			assert.Equal(t, []string{f.Want}, again, "a second time changes nothing")

			if f.Jar != nil && f.Jar.Name != "" {
				c, err := http.ParseSetCookie(f.Want)
				if err == nil { // net/http reads fewer forms than browsers do
					assert.Equal(t, f.Jar.Name, c.Name)
				}
			}
		})
	}
}

func TestEveryCookieOfAnAnswerIsHardenedInOrder(t *testing.T) {
	lines := []string{"b=2; Path=/", "a=1", "b=3; SameSite=Strict"}
	before := append([]string(nil), lines...)
	h := newHeaders(t, headers.Web("localhost")).Handler(setting(lines...))
	got := answer(h, localRequest("https")).Header["Set-Cookie"]
	assert.Equal(t, []string{
		"b=2; Path=/; Secure; HttpOnly; SameSite=Lax", "a=1; Secure; HttpOnly; SameSite=Lax", "b=3; SameSite=Strict; Secure; HttpOnly",
	}, got)
	assert.Equal(t, before, lines, "the handler's slice may be shared")
}

func TestACookieOfAnOuterLayerIsHardened(t *testing.T) {
	h := newHeaders(t, headers.Web("localhost")).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "outer=1")
		h.ServeHTTP(w, r)
	})
	assert.Equal(t, []string{"outer=1; Secure; HttpOnly; SameSite=Lax"}, answer(outer, localRequest("https")).Header["Set-Cookie"])
}

func TestACookieSetBeforeAPanicIsHardened(t *testing.T) {
	h := newHeaders(t, headers.Web("localhost")).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1"})
		panic("boom")
	}))
	resp := answer(server.Recover(silent())(h), localRequest("https"))
	assert.Equal(t, 500, resp.StatusCode)
	assert.Equal(t, []string{"sid=1; Secure; HttpOnly; SameSite=Lax"}, resp.Header["Set-Cookie"])
}

func TestCookiesOff(t *testing.T) {
	cfg := headers.Web("localhost")
	cfg.Cookies.Off = true
	h := newHeaders(t, cfg).Handler(setting("a=1"))
	assert.Equal(t, []string{"a=1"}, answer(h, localRequest("https")).Header["Set-Cookie"])
}

func TestPrefixedCookiesComeBackUnderTheirOwnName(t *testing.T) {
	cfg := headers.Web("localhost:*")
	cfg.Cookies.Prefix = map[string]string{"sid": "__Host-", "ref": "__Secure-"}
	var got []string
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header["Cookie"] }))
	for _, tt := range []struct {
		desc, scheme string
		cookie       []string
		want         []string
	}{
		{"renamed back", "https", []string{"a=b; __Host-sid=1; __Secure-ref=x=y"}, []string{"a=b; sid=1; ref=x=y"}},
		{"a bare one was planted by a sibling host", "https", []string{"sid=evil; a=b; __Host-sid=1"}, []string{"a=b; sid=1"}},
		{"a planted one with a blank before the sign", "https", []string{"sid =evil; __Host-sid=1"}, []string{"sid=1"}},
		{"only planted ones", "https", []string{"sid=evil; ref"}, nil},
		{"another prefix is another cookie", "https", []string{"__Secure-sid=1; __host-sid=2; __Host-SID=3"}, []string{"__Secure-sid=1; __host-sid=2; __Host-SID=3"}},
		{"several lines", "https", []string{"a=1;;", "__Host-sid=2", "sid=3"}, []string{"a=1", "sid=2"}},
		{"a name without a value is no cookie of ours", "https", []string{"__Host-sid"}, []string{"__Host-sid"}},
		{"no cookies", "https", nil, nil},
		{"plain http has no prefixes", "http", []string{"sid=1"}, []string{"sid=1"}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			r := localRequest(tt.scheme)
			if tt.scheme == "http" {
				r.TLS = nil
			}
			if tt.cookie != nil {
				r.Header["Cookie"] = tt.cookie
			}
			got = []string{"not called"}
			answer(h, r)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.cookie, r.Header["Cookie"], "the outer layers' request")
		})
	}
}

func TestACookieGoesOutAndComesBack(t *testing.T) {
	cfg := headers.Web("localhost:*")
	cfg.Cookies.Prefix = map[string]string{"sid": "__Host-"}
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("sid"); err == nil {
			w.Header().Set("X-Seen", c.Value)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "s3cret"})
	}))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u := &url.URL{Scheme: "https", Host: "localhost", Path: "/"}
	jar.SetCookies(u, answer(h, localRequest("https")).Cookies())
	r := localRequest("https")
	for _, c := range jar.Cookies(u) {
		assert.Equal(t, "__Host-sid", c.Name)
		r.AddCookie(c)
	}
	assert.Equal(t, "s3cret", answer(h, r).Header.Get("X-Seen"))
}

func TestADroppedCookieIsReportedOnce(t *testing.T) {
	var log bytes.Buffer
	cfg := headers.Web("localhost", "127.0.0.1")
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	h := newHeaders(t, cfg)
	for range 3 {
		answer(h.Handler(setting("a=1; Domain=x.example", "b=\x01")), localRequest("https"))
	}
	assert.Equal(t, 2, strings.Count(log.String(), "\n"))
	assert.NotContains(t, log.String(), `\u0001`)

	log.Reset()
	r := localRequest("https")
	r.Host = "127.0.0.1"
	answer(h.Handler(setting("c=1; Domain=.0.0.1")), r)
	assert.Contains(t, log.String(), "foreign_domain", "an address has no domains")

	log.Reset()
	for i := range 200 {
		answer(h.Handler(setting("n"+strings.Repeat("x", i)+"=1; Domain=x.example")), localRequest("https"))
	}
	assert.Less(t, strings.Count(log.String(), "\n"), 64, "names are not remembered without bound")
}

func TestACookieForTheParentDomainIsNoFlaw(t *testing.T) {
	var log bytes.Buffer
	cfg := headers.Web("api.example.com")
	cfg.ProbePaths = []string{"/healthz"}
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	h := newHeaders(t, cfg).Handler(setting("a=1; Domain=.Example.com", "b=1; Domain=api.example.com"))
	answer(h, over("https", "GET", "/"))
	r := over("https", "GET", "/healthz")
	r.Host = "a b"
	answer(h, r)
	assert.Empty(t, log.String())
}
