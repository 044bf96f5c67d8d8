package integration_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// What headers.CSP takes although this Chromium prints a line of it, and why.
var unknownToChromium = map[string]string{ // read-only
	"directive 'webrtc'":           "CSP Level 3 section 6.2.1; behind a flag in Firefox",
	"'unsafe-webtransport-hashes'": "CSP Level 3 section 6.1.2; newer than this Chromium",
}

// acceptedPolicies returns one policy for each keyword in each directive, and for
// each word of the other directives, that headers.New takes.
func acceptedPolicies(t *testing.T) (all []string) {
	t.Helper()
	add := func(csp headers.CSP) {
		if csp.Default == nil {
			csp.Default = []headers.Source{headers.Self}
		}
		csp.DangerouslyUnsafeInline, csp.DangerouslyUnsafeEval, csp.ReportTo = true, true, "main"
		layer, err := headers.New(headers.Config{AllowedHosts: []string{"a.example"}, DangerouslyAllowHTTP: true, CSP: &csp, ReportingEndpoints: map[string]string{"main": "/reports"}})
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		layer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { headers.Nonce(r.Context()) })).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://a.example/", nil))
		all = append(all, w.Result().Header["Content-Security-Policy"]...)
	}
	sources := [][]headers.Source{
		{headers.None},
		{headers.Self},
		{headers.StrictDynamic, headers.WithNonce},
		{headers.ReportSample},
		{headers.UnsafeHashes},
		{headers.WASMUnsafeEval},
		{headers.SpeculationRules},
		{headers.UnsafeInline},
		{headers.UnsafeEval},
		{headers.TrustedTypesEval},
		{headers.ReportSHA256},
		{headers.ReportSHA384},
		{headers.ReportSHA512},
		{headers.UnsafeWebTransportHashes},
		{headers.WithNonce},
		{headers.SHA256("x")},
		{headers.SHA384("x")},
		{headers.SHA512("x")},
		{headers.Data},
		{headers.Blob},
		{"https:"},
		{"https://*:*"},
		{"https://a.example:8443/path"},
		{"*.a.example"},
		{"*"},
	}
	for field := range reflect.TypeFor[headers.CSP]().Fields() {
		for _, list := range sources {
			if field.Type == reflect.TypeFor[[]headers.Source]() {
				csp := headers.CSP{RequireTrustedTypes: slices.Contains(list, headers.TrustedTypesEval)}
				reflect.ValueOf(&csp).Elem().FieldByName(field.Name).Set(reflect.ValueOf(list))
				add(csp)
			}
		}
	}
	for _, token := range []string{
		"allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock", "allow-pointer-lock", "allow-popups", "allow-popups-to-escape-sandbox", "allow-presentation",
		"allow-same-origin", "allow-scripts", "allow-same-site-none-cookies", "allow-storage-access-by-user-activation", "allow-top-navigation", "allow-top-navigation-by-user-activation",
		"allow-top-navigation-to-custom-protocols",
	} {
		before := len(all)
		add(headers.CSP{Sandbox: slices.Compact([]string{"allow-scripts", token})}) // without scripts no page tells that it is done
		assert.Len(t, all, before+1, token)
	}
	before := len(all)
	for _, csp := range []headers.CSP{
		{WebRTC: "'allow'"},
		{WebRTC: "'block'"},
		{TrustedTypes: []string{"*"}},
		{TrustedTypes: []string{"'none'"}},
		{TrustedTypes: []string{"a-#=_/@.%", "'allow-duplicates'"}},
		{RequireTrustedTypes: true},
		{UpgradeInsecureRequests: true},
		{ReportURI: []string{"/reports", "https://a.example/reports?x=1"}},
	} {
		add(csp)
	}
	assert.Len(t, all, before+8)
	assert.Greater(t, len(all), 150)
	return all
}

func TestChromiumKnowsEveryDirectiveAndKeywordThatWeTake(t *testing.T) {
	policies := acceptedPolicies(t)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Reporting-Endpoints", `main="/reports"`)
		switch r.URL.Path {
		case "/bogus":
			w.Header()["Content-Security-Policy"] = []string{"bogus-src 'self'", "img-src 'bogus'", "sandbox allow-scripts allow-bogus"}
		case "/":
			w.Header()["Content-Security-Policy"] = policies
		default: // an icon that the browser asks for
			return
		}
		fmt.Fprint(w, `<!doctype html><title>x</title><p id="done">done</p>`)
	}))
	t.Cleanup(srv.Close)
	ctx := browser(t)
	c := listen(ctx)
	origin := "https://app.example:" + port(t, srv.Listener.Addr())
	require.Eventually(t, func() bool { return len(c.visit(ctx, t, origin+"/bogus")) >= 3 }, 20*time.Second, time.Millisecond, "the test sees what Chromium does not know")
	for _, line := range c.visit(ctx, t, origin+"/") {
		known := strings.Contains(line, "violates the following Content Security Policy") // of a policy that it has understood
		for word := range unknownToChromium {
			known = known || strings.Contains(line, word)
		}
		assert.True(t, known, line)
	}
}

// safely is a buffer for the log of a server.
type safely struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *safely) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *safely) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestChromiumsReportsReachTheCollector(t *testing.T) {
	log := new(safely)
	collector, err := headers.NewReports(headers.ReportsConfig{Samples: true, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	require.NoError(t, err)
	csrf, err := headers.NewCSRF(headers.CSRFConfig{})
	require.NoError(t, err)
	cfg := headers.Web("app.example:*")
	cfg.ReportingEndpoints = map[string]string{"main": "/reports", "default": "/reports"}
	cfg.CSP.Script = []headers.Source{headers.Self, headers.ReportSample}
	cfg.CSP.ReportTo = "main"
	cfg.CSPReportOnly = &headers.CSP{Default: []headers.Source{headers.Self}, Style: []headers.Source{headers.None}, ReportTo: "main"}
	web, err := headers.New(cfg)
	require.NoError(t, err)
	old, err := web.Route(func(c *headers.Config) {
		c.CSP.ReportTo, c.CSP.ReportURI, c.CSPReportOnly = "", []string{"/reports"}, nil
	})
	require.NoError(t, err)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>x</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/a.css?token=secret"><script>"the sample"</script>
			<img src="https://other.example/dot?token=secret" alt=""><p id="done">done</p>`)
	})
	mux := http.NewServeMux()
	mux.Handle("/reports", collector)
	mux.Handle("/old", old(page))
	mux.Handle("/new", page)
	mux.HandleFunc("/a.css", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/css") })
	srv := httptest.NewTLSServer(web.Handler(csrf.Handler(mux)))
	t.Cleanup(srv.Close)
	key := sha256.Sum256(srv.Certificate().RawSubjectPublicKeyInfo)
	ctx := browser(t,
		// Reports of a server whose certificate is only tolerated are not sent.
		chromedp.Flag("ignore-certificate-errors", false),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		chromedp.Flag("short-reporting-delay", true), // by default a minute
	)
	origin := "https://app.example:" + port(t, srv.Listener.Addr())
	for path, want := range map[string][]string{
		"/old?token=secret": {
			`"document":"` + origin + `/old","directive":"script-src-elem","blocked":"inline"`,
			`"document":"` + origin + `/old","directive":"img-src","blocked":"https://other.example/dot"`,
		},
		"/new?token=secret": {
			`"document":"` + origin + `/new","directive":"script-src-elem","blocked":"inline"`,
			`"document":"` + origin + `/new","directive":"img-src","blocked":"https://other.example/dot"`,
			`"document":"` + origin + `/new","directive":"style-src-elem","blocked":"` + origin + `/a.css","source":"` + origin + `/new","disposition":"report"`,
		},
	} {
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(origin+path), chromedp.WaitVisible("#done")))
		for _, text := range want {
			assert.Eventually(t, func() bool { return strings.Contains(log.String(), text) }, 10*time.Second, 10*time.Millisecond, text)
		}
	}
	assert.Contains(t, log.String(), `"sample":"\"the sample\""`)
	assert.NotContains(t, log.String(), "secret")
	if t.Failed() {
		t.Log(log.String())
	}
}
