package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// site is what the Observatory would see of a site over https with this header.
func site(header http.Header, lines ...string) *observed {
	at := &url.URL{Scheme: "https", Host: "www.example.com", Path: "/"}
	for i := 0; i+1 < len(lines); i += 2 {
		header.Add(lines[i], lines[i+1])
	}
	resp := http.Response{Header: header}
	a := &answer{url: at, status: 200, header: header, cookies: resp.Cookies()}
	plain := &url.URL{Scheme: "http", Host: "www.example.com", Path: "/"}
	return &observed{url: at, answer: a, cookies: a.cookies, https: a, verified: true, hops: []*url.URL{plain, at}, cors: a}
}

// TestPointsAreThoseOfTheObservatory has the values of src/grader/charts.js, one for
// each result of a test.
func TestPointsAreThoseOfTheObservatory(t *testing.T) {
	csp := func(policy string) *observed { return site(http.Header{}, "Content-Security-Policy", policy) }
	cookie := func(lines ...string) *observed {
		h := http.Header{"Strict-Transport-Security": {"max-age=31536000"}}
		for _, line := range lines {
			h.Add("Set-Cookie", line)
		}
		return site(h)
	}
	page := func(body string) *observed {
		o := site(http.Header{"Content-Type": {"text/html; charset=utf-8"}})
		o.answer.page = []byte(body)
		return o
	}
	bare := func(change func(*observed)) *observed { o := site(http.Header{}); change(o); return o }
	hop := func(hops ...string) *observed {
		return bare(func(o *observed) {
			o.hops = nil
			for _, h := range hops {
				u, err := url.Parse(h)
				require.NoError(t, err)
				o.hops = append(o.hops, u)
			}
		})
	}
	for _, tt := range []struct {
		name  string
		o     *observed
		test  func(*observed) point
		score int
	}{
		{"csp: default-src 'none'", csp("default-src 'none'; form-action 'none'"), (*observed).csp, 10},
		{"csp: nothing unsafe", csp("default-src 'self'"), (*observed).csp, 5},
		{"csp: unsafe styles", csp("default-src 'self'; style-src 'unsafe-inline'"), (*observed).csp, 0},
		{"csp: images over http", csp("default-src 'self'; img-src http:"), (*observed).csp, -10},
		{"csp: eval", csp("default-src 'self'; script-src 'self' 'unsafe-eval'"), (*observed).csp, -10},
		{"csp: inline scripts", csp("default-src 'self' 'unsafe-inline'"), (*observed).csp, -20},
		{"csp: inline scripts beside a nonce", csp("default-src 'none'; script-src 'nonce-a' 'unsafe-inline'"), (*observed).csp, 10},
		{"csp: strict-dynamic", csp("default-src 'none'; script-src 'nonce-a' 'strict-dynamic' https: 'unsafe-inline'"), (*observed).csp, 10},
		{"csp: strict-dynamic without a nonce", csp("script-src 'strict-dynamic'"), (*observed).csp, -25},
		{"csp: no script-src", csp("img-src 'self'"), (*observed).csp, -20},
		{"csp: content over http", csp("default-src 'self'; connect-src http://a.example"), (*observed).csp, -20},
		{"csp: a directive twice", csp("default-src 'self'; default-src 'none'"), (*observed).csp, -25},
		{"csp: two policies", site(http.Header{}, "Content-Security-Policy", "default-src 'self' 'unsafe-inline'", "Content-Security-Policy", "default-src 'self'"), (*observed).csp, 5},
		{"csp: reports only", site(http.Header{}, "Content-Security-Policy-Report-Only", "default-src 'self'"), (*observed).csp, -25},
		{"csp: none", site(http.Header{}), (*observed).csp, -25},
		{"cookies: none", cookie(), (*observed).cookieFlags, 0},
		{"cookies: all", cookie("session=1; Secure; HttpOnly; SameSite=Lax"), (*observed).cookieFlags, 5},
		{"cookies: no SameSite", cookie("a=1; Secure; HttpOnly"), (*observed).cookieFlags, 0},
		{"cookies: not Secure, with HSTS", cookie("a=1; SameSite=Lax"), (*observed).cookieFlags, -5},
		{"cookies: a session that is not Secure, with HSTS", cookie("session=1; HttpOnly; SameSite=Lax"), (*observed).cookieFlags, -10},
		{"cookies: not Secure", site(http.Header{"Set-Cookie": {"a=1; SameSite=Lax"}}), (*observed).cookieFlags, -20},
		{"cookies: a session that is not Secure", site(http.Header{"Set-Cookie": {"login=1; HttpOnly; SameSite=Lax"}}), (*observed).cookieFlags, -40},
		{"cookies: a session for scripts", cookie("session=1; Secure; SameSite=Lax"), (*observed).cookieFlags, -30},
		{"cookies: a csrf token without SameSite", cookie("csrftoken=1; Secure"), (*observed).cookieFlags, -20},
		{"cookies: a wrong SameSite", cookie("a=1; Secure; SameSite=Loose"), (*observed).cookieFlags, -20},
		{"cors: none", site(http.Header{}), (*observed).sharing, 0},
		{"cors: all", site(http.Header{"Access-Control-Allow-Origin": {"*"}}), (*observed).sharing, 0},
		{"cors: listed", site(http.Header{"Access-Control-Allow-Origin": {"https://a.example"}, "Access-Control-Allow-Credentials": {"true"}}), (*observed).sharing, 0},
		{"cors: reflected", site(http.Header{"Access-Control-Allow-Origin": {corsOrigin}, "Access-Control-Allow-Credentials": {"true"}}), (*observed).sharing, -50},
		{"redirection: to https", hop("http://a", "https://a"), (*observed).redirection, 0},
		{"redirection: nobody there", hop(), (*observed).redirection, 0},
		{"redirection: to another host", hop("http://a", "https://b"), (*observed).redirection, -5},
		{"redirection: by http", hop("http://a", "http://b", "https://b"), (*observed).redirection, -10},
		{"redirection: to http", hop("http://a", "http://b"), (*observed).redirection, -20},
		{"redirection: missing", hop("http://a"), (*observed).redirection, -20},
		{"referrer: private", site(http.Header{"Referrer-Policy": {"unsafe-url, no-referrer, new-word"}}), (*observed).referrer, 5},
		{"referrer: missing", site(http.Header{}), (*observed).referrer, 0},
		{"referrer: unsafe", site(http.Header{"Referrer-Policy": {"origin"}}), (*observed).referrer, -5},
		{"referrer: unknown", site(http.Header{"Referrer-Policy": {"whatever"}}), (*observed).referrer, -5},
		{"hsts: long", site(http.Header{"Strict-Transport-Security": {"max-age=15552000"}}), (*observed).hsts, 0},
		{"hsts: short", site(http.Header{"Strict-Transport-Security": {"max-age=15551999"}}), (*observed).hsts, -10},
		{"hsts: unreadable", site(http.Header{"Strict-Transport-Security": {"includeSubDomains"}}), (*observed).hsts, -20},
		{"hsts: missing", site(http.Header{}), (*observed).hsts, -20},
		{"hsts: no https", bare(func(o *observed) { o.https = nil }), (*observed).hsts, -20},
		{"hsts: a bad certificate", bare(func(o *observed) { o.verified = false }), (*observed).hsts, -20},
		{"integrity: no page", site(http.Header{"Content-Type": {"application/json"}}), (*observed).integrity, 0},
		{"integrity: no scripts", page("<p>"), (*observed).integrity, 0},
		{"integrity: own scripts", page(`<script src="/a.js"></script>`), (*observed).integrity, 0},
		{"integrity: own scripts with a hash", page(`<script src="/a.js" integrity="sha384-x"></script>`), (*observed).integrity, 5},
		{"integrity: others' scripts with a hash", page(`<script src=https://b.example/a.js integrity=sha384-x></script>`), (*observed).integrity, 5},
		{"integrity: others' scripts", page(`<script src='https://b.example/a.js'></script>`), (*observed).integrity, -5},
		{"integrity: a hash over any scheme", page(`<script src="//b.example/a.js" integrity="sha384-x"></script>`), (*observed).integrity, -20},
		{"integrity: over http", page(`<script src="http://b.example/a.js"></script>`), (*observed).integrity, -50},
		{"nosniff", site(http.Header{"X-Content-Type-Options": {"NoSniff"}}), (*observed).nosniff, 0},
		{"nosniff: wrong", site(http.Header{"X-Content-Type-Options": {"sniff"}}), (*observed).nosniff, -5},
		{"framing: policy", csp("frame-ancestors 'none'"), (*observed).framing, 5},
		{"framing: header", site(http.Header{"X-Frame-Options": {"deny"}}), (*observed).framing, 5},
		{"framing: allow-from", site(http.Header{"X-Frame-Options": {"ALLOW-FROM https://a.example"}}), (*observed).framing, 0},
		{"framing: missing", site(http.Header{}), (*observed).framing, -20},
		{"corp", site(http.Header{"Cross-Origin-Resource-Policy": {"same-site"}}), (*observed).resource, 10},
		{"corp: open", site(http.Header{"Cross-Origin-Resource-Policy": {"cross-origin"}}), (*observed).resource, 0},
		{"corp: wrong", site(http.Header{"Cross-Origin-Resource-Policy": {"x"}}), (*observed).resource, -5},
		{"coep", site(http.Header{"Cross-Origin-Embedder-Policy": {`require-corp; report-to="a"`}}), (*observed).embedder, 10},
		{"coep: missing", site(http.Header{}), (*observed).embedder, 0},
		{"coop", site(http.Header{"Cross-Origin-Opener-Policy": {"same-origin-allow-popups"}}), (*observed).opener, 10},
		{"coop: none", site(http.Header{"Cross-Origin-Opener-Policy": {"unsafe-none"}}), (*observed).opener, 0},
		{"coop: twice", site(http.Header{"Cross-Origin-Opener-Policy": {"same-origin", "same-origin"}}), (*observed).opener, -5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.test(tt.o)
			assert.Equal(t, tt.score, p.Score, p.Result)
			assert.NotEmpty(t, p.Result)
			if p.Score < 0 {
				assert.NotEmpty(t, p.Fix)
			}
		})
	}
}

func TestBonusesCountFromNinetyOn(t *testing.T) {
	for _, tt := range []struct {
		points []int
		total  int
		grade  string
	}{
		{nil, 100, "A+"},
		{[]int{10, 5}, 115, "A+"},
		{[]int{-10, 10}, 100, "A+"},
		{[]int{-15, 30}, 85, "A-"},
		{[]int{-75}, 25, "D-"},
		{[]int{-80}, 20, "F"},
		{[]int{-50, -60}, 0, "F"},
	} {
		var points []point
		for _, p := range tt.points {
			points = append(points, point{Score: p})
		}
		total, grade := score(points)
		assert.Equal(t, tt.total, total, tt.points)
		assert.Equal(t, tt.grade, grade, tt.points)
	}
}

func TestASiteIsAudited(t *testing.T) {
	good := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Strict-Transport-Security": "max-age=31536000", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			w.Header().Set(name, value)
		}
	})
	srv := httptest.NewTLSServer(good)
	defer srv.Close()
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	status, out, errOut := session{}.do(t, "", "audit", "-ca", ca, srv.URL)
	assert.Equal(t, exitClean, status, out+errOut)
	assert.Contains(t, out, "score 130, grade A+")

	status, out, _ = session{}.do(t, "", "audit", "-format", "json", srv.URL) // of a CA that nobody knows
	assert.Equal(t, exitFound, status)
	var doc struct {
		Score int
		Grade string
		More  []string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	assert.Equal(t, 80, doc.Score)
	assert.Contains(t, doc.More, "TLS: the certificate is not one that clients take")

	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "weak/1.0")
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "a secret value"})
		fmt.Fprint(w, `<form method="post">`)
	}))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12}
	old.StartTLS()
	defer old.Close()
	status, out, _ = session{}.do(t, "", "audit", old.URL)
	assert.Equal(t, exitFound, status)
	for _, says := range []string{"TLS: version 1.0 is still spoken", "version 1.1", "1.3 is not spoken", "CSRF: a form", "Caching: an answer sets a cookie", "Caching: Access-Control-Allow-Origin", `names the software`, "score 0, grade F"} {
		assert.Contains(t, out, says)
	}
	assert.NotContains(t, out, "a secret value")

	for _, args := range [][]string{{}, {"ftp://x"}, {"http://u:p@x"}, {"-format", "pdf", old.URL}, {"-ca", "testdata/nosuch", old.URL}, {"http://127.0.0.1:1"}} {
		status, _, errOut := session{}.do(t, "", append([]string{"audit"}, args...)...)
		assert.Equal(t, exitError, status, args)
		assert.NotEmpty(t, errOut)
	}
}
