package headers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/headers"
)

// observatory scores a site by the published rules of the Mozilla HTTP
// Observatory, version 2 (github.com/mdn/mdn-http-observatory: src/grader and
// src/analyzer, read in November 2026; the words and code here are our own).
// Preloading cannot be seen in an answer, and our pages load no scripts, so
// those bonuses are out of reach.
type observatory struct {
	secure   *http.Response // GET over https, redirects followed
	insecure *http.Response // GET over http
}

// score returns the modifiers by test, and the score: bonuses count only from
// 90 on.
func (o observatory) score() (modifiers map[string]int, score int) {
	modifiers = map[string]int{
		"csp": o.csp(), "cookies": o.cookies(), "cors": o.cors(), "redirection": o.redirection(), "referrer": o.referrer(),
		"hsts": o.hsts(), "nosniff": o.nosniff(), "framing": o.framing(), "corp": o.corp(),
	}
	all, penalties := 100, 100
	for _, m := range modifiers {
		all += m
		penalties += min(m, 0)
	}
	if penalties >= 90 {
		return modifiers, all
	}
	return modifiers, max(penalties, 0)
}

// directives reads all policies of the answer together.
func (o observatory) directives() map[string][]string {
	d := map[string][]string{}
	for _, line := range o.secure.Header["Content-Security-Policy"] {
		for part := range strings.SplitSeq(line, ";") {
			if words := strings.Fields(strings.ToLower(part)); len(words) > 0 {
				d[words[0]] = append(d[words[0]], words[1:]...)
			}
		}
	}
	return d
}

func (o observatory) csp() int {
	d := o.directives()
	if len(d) == 0 {
		return -25
	}
	effective := func(name string) []string {
		for _, n := range []string{name, "default-src"} {
			if list, ok := d[n]; ok {
				return list
			}
		}
		return []string{"*"}
	}
	guarded := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "'nonce-") || strings.HasPrefix(s, "'sha") })
	}
	broad := []string{"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
	has := func(list, bad []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(bad, s) })
	}
	inline := func(list []string) []string {
		bad := append([]string{"data:"}, broad...)
		if !guarded(list) {
			bad = append(bad, "'unsafe-inline'")
		}
		return bad
	}
	script, style, object := effective("script-src"), effective("style-src"), effective("object-src")
	insecure := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "http:") || strings.HasPrefix(s, "ftp:") })
	}
	var active []string
	for name, list := range d {
		if name != "img-src" && name != "media-src" {
			active = append(active, list...)
		}
	}
	switch {
	case has(script, inline(script)), has(object, broad):
		return -20
	case insecure(active):
		return -20
	case slices.Contains(script, "'unsafe-eval'"), slices.Contains(style, "'unsafe-eval'"):
		return -10
	case insecure(effective("img-src")), insecure(effective("media-src")):
		return -10
	case has(style, inline(style)):
		return 0
	case slices.Equal(d["default-src"], []string{"'none'"}):
		return 10
	default:
		return 5
	}
}

func (o observatory) cookies() int {
	lines := o.secure.Header["Set-Cookie"]
	if len(lines) == 0 {
		return 0
	}
	worst := 5
	for _, c := range o.secure.Cookies() {
		name := strings.ToLower(c.Name)
		session := strings.Contains(name, "login") || strings.Contains(name, "sess")
		switch {
		case session && !c.Secure:
			worst = min(worst, -10) // protected by HSTS
		case !c.Secure:
			worst = min(worst, -5)
		}
		if session && !c.HttpOnly {
			worst = min(worst, -30)
		}
		switch c.SameSite {
		default:
		case 0:
			worst = min(worst, 0)
			if strings.Contains(name, "csrf") {
				worst = min(worst, -20)
			}
		case http.SameSiteDefaultMode:
			worst = min(worst, -20)
		}
	}
	return worst
}

func (o observatory) cors() int {
	allow := o.secure.Header.Get("Access-Control-Allow-Origin")
	if allow != "" && allow != "*" && o.secure.Header.Get("Access-Control-Allow-Credentials") == "true" {
		return -50
	}
	return 0
}

func (o observatory) redirection() int {
	to, err := url.Parse(o.insecure.Header.Get("Location"))
	switch {
	case err != nil || o.insecure.StatusCode < 300 || o.insecure.StatusCode > 399:
		return -20
	case to.Scheme != "https":
		return -20
	case to.Hostname() != "api.example.com":
		return -5
	default:
		return 0
	}
}

func (o observatory) referrer() int {
	switch policy := o.secure.Header.Get("Referrer-Policy"); policy {
	case "no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin":
		return 5
	case "":
		return 0
	default:
		return -5
	}
}

func (o observatory) hsts() int {
	for part := range strings.SplitSeq(o.secure.Header.Get("Strict-Transport-Security"), ";") {
		if age, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			if seconds, err := strconv.Atoi(age); err == nil && seconds >= 15768000 {
				return 0
			}
			return -10
		}
	}
	return -20
}

func (o observatory) nosniff() int {
	if o.secure.Header.Get("X-Content-Type-Options") == "nosniff" {
		return 0
	}
	return -5
}

func (o observatory) framing() int {
	if o.directives()["frame-ancestors"] != nil {
		return 5
	}
	if slices.Contains([]string{"DENY", "SAMEORIGIN"}, o.secure.Header.Get("X-Frame-Options")) {
		return 0
	}
	return -20
}

func (o observatory) corp() int {
	switch o.secure.Header.Get("Cross-Origin-Resource-Policy") {
	case "same-origin", "same-site":
		return 10
	case "", "cross-origin":
		return 0
	default:
		return -5
	}
}

func TestObservatory(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>hello</title>")
	}
	visit := func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "csrftoken", Value: "1"})
		page(w, r)
	}
	strict := headers.Web("api.example.com")
	strict.CSP.Default = sources{headers.None}
	for _, field := range []*[]headers.Source{&strict.CSP.Script, &strict.CSP.Style, &strict.CSP.Img, &strict.CSP.Font, &strict.CSP.Connect} {
		*field = sources{headers.Self}
	}
	nonce := nonced()
	nonce.CSP.Script = sources{headers.WithNonce, headers.StrictDynamic}
	for desc, tt := range map[string]struct {
		cfg   headers.Config
		next  http.HandlerFunc
		score int // A+ is 100 and more
	}{
		"API":                       {headers.API("api.example.com"), ok, 130},   // all of csp 10, framing 5, referrer 5, corp 10
		"Web":                       {headers.Web("api.example.com"), page, 125}, // csp 5: its default-src is 'self'
		"Web with cookies":          {headers.Web("api.example.com"), visit, 130},
		"Web with default-src none": {strict, visit, 135},
		"Web with a nonce": {nonce, func(w http.ResponseWriter, r *http.Request) {
			_, _ = headers.Nonce(r.Context())
			page(w, r)
		}, 125},
	} {
		t.Run(desc, func(t *testing.T) {
			tt.cfg.Cookies.ScriptReadable = []string{"csrftoken"}
			h := newHeaders(t, tt.cfg).Handler(tt.next)
			modifiers, score := observatory{
				secure:   answer(h, over("https", "GET", "/")),
				insecure: answer(h, over("http", "GET", "/")),
			}.score()
			assert.Equal(t, tt.score, score, "%v", modifiers)
			for test, m := range modifiers {
				assert.GreaterOrEqual(t, m, 0, test)
			}
		})
	}
	t.Run("the rules bite", func(t *testing.T) {
		bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: "1"})
		})
		_, score := observatory{answer(bare, over("https", "GET", "/")), answer(bare, over("http", "GET", "/"))}.score()
		assert.Zero(t, score)
	})
}
