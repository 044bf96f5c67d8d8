package headers_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/headers"
)

// ids returns "severity id path django" of each finding.
func ids(findings []headers.Finding) []string {
	var got []string
	for _, f := range findings {
		got = append(got, fmt.Sprintf("%s %s %s %s", f.Severity, f.ID, f.Path, f.Django))
	}
	return got
}

func TestAuditOfAStrictServerFindsNothing(t *testing.T) {
	cfg := headers.API("*.example.com:*")
	cfg.HSTS = headers.HSTS{Subdomains: true, Preload: true}
	findings := newHeaders(t, cfg).Audit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1"})
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Server", "x")
		http.ServeContent(w, r, "x", time.Unix(1e9, 0), nothing())
	}), "/", "/x")
	assert.Empty(t, findings)
}

func TestAuditOfThePresets(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<p>")
	})
	const missing = "/rampart-audit-no-such-path"
	assert.Equal(t, []string{
		"warn hsts-subdomains / security.W005", "info hsts-preload / security.W021",
		"warn hsts-subdomains " + missing + " security.W005", "info hsts-preload " + missing + " security.W021",
	}, ids(newHeaders(t, headers.API("api.example.com")).Audit(http.NotFoundHandler())), "defaults that need a decision about the whole domain")
	cfg := headers.Web("[::1]:8443")
	cfg.HSTS.Subdomains = true
	assert.Equal(t, []string{
		"info frames / security.W019", "info hsts-preload / security.W021", "info frames " + missing + " security.W019", "info hsts-preload " + missing + " security.W021",
	}, ids(newHeaders(t, cfg).Audit(page)))
}

func TestAuditOfAnOpenServer(t *testing.T) {
	cfg := headers.Web()
	cfg.DangerouslyAnyHost, cfg.DangerouslyAllowHTTP = true, true
	cfg.HSTS.Off = true
	cfg.FrameOptions, cfg.ReferrerPolicy, cfg.OpenerPolicy = headers.Off, headers.Off, headers.Off
	cfg.CSP = &headers.CSP{Default: sources{headers.Self}}
	cfg.Cookies.Off = true
	cfg.Remove = []string{}
	cfg.Proxies.Prefixes = prefixes("192.0.0.0/3")
	h := newHeaders(t, cfg)
	findings := h.Audit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("boom")
		case "/policy":
			w.Header().Set("Content-Security-Policy", "script-src * 'unsafe-inline' 'unsafe-eval' https: data:; style-src 'unsafe-inline'; script-src 'none'; Plugin-Types a/b")
		case "/guarded":
			w.Header().Set("Content-Security-Policy", "script-src 'nonce-x' 'unsafe-inline' 'strict-dynamic' https:; frame-ancestors 'none'")
		case "/none":
			w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			w.Header().Set("Referrer-Policy", "unsafe-url")
			w.Header().Set("X-Content-Type-Options", "sniff")
			w.Header().Set("Strict-Transport-Security", `max-age="60"`)
		default:
			w.Header()["Set-Cookie"] = []string{"sid=1; SameSite=None", "csrftoken=1"}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Server", "x/1.0")
		}
		if r.URL.Path == "/none" {
			fmt.Fprint(w, "guess me")
		}
	}), "/", "/panic", "/policy", "/guarded", "/none", "bad path")
	got := ids(findings)
	for _, want := range []string{
		"error hosts-any  security.W020", "error http-served  security.W008", "error proxy-trust  ",
		"warn hsts / security.W004", "warn frames / security.W019", "warn referrer / security.W022", "warn opener / security.E024", "warn leak / ",
		"error cookie-secure / security.W012", "warn cookie-httponly / security.W015", "info cookie-samesite / ", "warn cookie-samesite / ", "warn cookie-cached / ",
		"error panic /panic ",
		"error csp-unsafe-inline /policy ", "warn csp-unsafe-eval /policy ", "error csp-wide /policy ", "info csp-unsafe-inline-style /policy ", "info csp-obsolete /policy ",
		"warn hsts-short /none security.W004", "warn nosniff /none security.W006", "warn referrer-unsafe /none security.W022", "warn content-type /none ",
		"warn frames bad path security.W019",
	} {
		assert.Contains(t, got, want)
	}
	for _, f := range findings {
		if f.Path == "/guarded" {
			assert.NotContains(t, f.ID, "csp")
		}
		assert.NotEmpty(t, f.Message)
	}
	assert.Equal(t, "error: hosts-any: DangerouslyAnyHost: the client chooses the host of absolute URLs (security.W020)", findings[0].String())
	assert.Equal(t, "warn: leak /x: m", headers.Finding{ID: "leak", Severity: headers.SeverityWarn, Path: "/x", Message: "m"}.String())
}

func TestAuditSeesWhatGoesPastTheLayer(t *testing.T) {
	// A handler that keeps the writer of an outer server writes without us.
	cfg := headers.Web("api.example.com")
	cfg.Cookies.ScriptReadable = []string{"theme"}
	h := newHeaders(t, cfg)
	got := ids(h.Audit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		under := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		clear(under.Header())
		under.Header()["X-Frame-Options"] = []string{"DENY", "SAMEORIGIN"}
		under.Header()["Set-Cookie"] = []string{"other=1"}
		under.WriteHeader(200)
	})))
	for _, want := range []string{"error doubled / ", "warn csp / ", "warn nosniff / security.W006", "warn hsts / security.W004", "warn cookie-httponly / security.W015"} {
		assert.Contains(t, got, want)
	}
}

func TestAuditKnowsWhatWasAskedFor(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.HSTS = headers.HSTS{Subdomains: true, Preload: true}
	cfg.Proxies.Prefixes, cfg.Proxies.SchemeHeader = prefixes("192.0.2.0/24"), "forwarded"
	cfg.Cookies.ScriptReadable = []string{"csrftoken", "theme"}
	cfg.Cookies.Prefix = map[string]string{"theme": "__Host-"}
	got := ids(newHeaders(t, cfg).Audit(setting("csrftoken=1", "theme=1")))
	assert.Contains(t, got, "error proxy-trust  ", "a documentation network among the proxies")
	assert.Contains(t, got, "info cookie-httponly / security.W017")
	assert.NotContains(t, got, "warn cookie-httponly / security.W015")
}

func TestAuditOfTheZeroHeaders(t *testing.T) {
	var h headers.Headers
	assert.Equal(t, []string{"error unset  "}, ids(h.Audit(http.NotFoundHandler())))
}
