package headers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

const (
	mediaCSP     = "application/csp-report"
	mediaReports = "application/reports+json"
)

// post sends body to a collector and returns the answer, and the records without
// their time, client_ip, layer and msg.
func post(tb testing.TB, cfg headers.ReportsConfig, media, body string) (*http.Response, []map[string]any) {
	tb.Helper()
	var log lockedLog
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	collector, err := headers.NewReports(cfg)
	require.NoError(tb, err)
	r := httptest.NewRequest(http.MethodPost, "/reports?token=secret", strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	return answer(collector, r), records(tb, &log)
}

// A lockedLog is read while a folded record may come.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func records(tb testing.TB, log *lockedLog) (all []map[string]any) {
	tb.Helper()
	for line := range strings.Lines(log.String()) {
		var record map[string]any
		require.NoError(tb, json.Unmarshal([]byte(line), &record))
		for _, name := range []string{"time", "msg", "client_ip", "layer"} {
			delete(record, name)
		}
		all = append(all, record)
	}
	return all
}

func TestEachKindOfReportIsAnEvent(t *testing.T) {
	type record = map[string]any
	reported := func(kind, body string) string {
		return `[{"age":1,"type":"` + kind + `","url":"https://u:p@a.example/page?token=secret#secret","user_agent":"x","body":` + body + `}]`
	}
	for desc, tt := range map[string]struct {
		media, body string
		want        record
	}{
		"report-uri": {
			mediaCSP, `{"csp-report":{"document-uri":"https://a.example/page?token=secret","referrer":"https://secret.example/","violated-directive":"img-src 'self'","effective-directive":"script-src-elem",
			"original-policy":"script-src 'nonce-secret'","disposition":"enforce","blocked-uri":"https://evil.example/x.js?secret","status-code":200,"script-sample":"secret","source-file":"https://a.example/a.js#secret","line-number":7}}`,
			record{
				"event": "browser_csp_violation", "level": "WARN", "kind": "csp-violation", "document": "https://a.example/page", "directive": "script-src-elem", "blocked": "https://evil.example/x.js",
				"source": "https://a.example/a.js", "disposition": "enforce", "line": 7.0,
			},
		},
		"report-uri of an old browser": {mediaCSP + "; charset=utf-8", `{"csp-report":{"document-uri":"http://a.example","violated-directive":"img-src 'self' data:","blocked-uri":"inline"},"more":[{}]}`, record{
			"event": "browser_csp_violation", "level": "WARN", "kind": "csp-violation", "document": "http://a.example", "directive": "img-src", "blocked": "inline",
		}},
		"csp-violation": {mediaReports, reported("csp-violation", `{"documentURL":"https://a.example/two?x","referrer":"","effectiveDirective":"img-src","blockedURL":"data","disposition":"report","sample":"secret","lineNumber":3,"columnNumber":9,"sourceFile":"https://a.example/two"}`), record{
			"event": "browser_csp_violation", "level": "WARN", "kind": "csp-violation", "document": "https://a.example/two", "directive": "img-src", "blocked": "data", "source": "https://a.example/two", "disposition": "report", "line": 3.0,
		}},
		"csp-hash": {mediaReports, reported("csp-hash", `{"subresourceURL":"https://a.example/a.js?x","hash":"sha256-abc","type":"subresource","destination":"script"}`), record{
			"event": "browser_notice", "level": "INFO", "kind": "csp-hash", "document": "https://a.example/page", "blocked": "https://a.example/a.js", "detail": "sha256-abc",
		}},
		"permissions": {mediaReports, reported("permissions-policy-violation", `{"policyId":"camera","disposition":"enforce","message":"secret","lineNumber":-1}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "permissions-policy-violation", "document": "https://a.example/page", "detail": "camera", "disposition": "enforce",
		}},
		"permissions of a frame": {mediaReports, reported("potential-permissions-policy-violation", `{"featureId":"usb"}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "potential-permissions-policy-violation", "document": "https://a.example/page", "detail": "usb",
		}},
		"document policy": {mediaReports, reported("document-policy-violation", `{"policyId":"sync-xhr"}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "document-policy-violation", "document": "https://a.example/page", "detail": "sync-xhr",
		}},
		"integrity": {mediaReports, reported("integrity-violation", `{"blockedURL":"https://b.example/x.js?y","destination":"script","reportOnly":true}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "integrity-violation", "document": "https://a.example/page", "blocked": "https://b.example/x.js",
		}},
		"embedder policy": {mediaReports, reported("coep", `{"type":"corp","blockedURL":"https://b.example/i?x","disposition":"reporting","destination":"image"}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "coep", "document": "https://a.example/page", "blocked": "https://b.example/i", "detail": "corp", "disposition": "reporting",
		}},
		"opener policy": {mediaReports, reported("coop", `{"type":"navigation-from-response","disposition":"enforce","nextResponseURL":"https://b.example/?secret"}`), record{
			"event": "browser_policy_violation", "level": "WARN", "kind": "coop", "document": "https://a.example/page", "detail": "navigation-from-response", "disposition": "enforce",
		}},
		"deprecation": {mediaReports, reported("deprecation", `{"id":"UnloadHandler","message":"secret","sourceFile":"https://a.example/a.js","lineNumber":1.5}`), record{
			"event": "browser_notice", "level": "INFO", "kind": "deprecation", "document": "https://a.example/page", "detail": "UnloadHandler", "source": "https://a.example/a.js",
		}},
		"intervention": {mediaReports, reported("intervention", `{"id":"HeavyAd","message":"secret"}`), record{
			"event": "browser_notice", "level": "INFO", "kind": "intervention", "document": "https://a.example/page", "detail": "HeavyAd",
		}},
		"crash": {mediaReports, reported("crash", `{"reason":"oom","stack":"secret"}`), record{
			"event": "browser_fault", "level": "WARN", "kind": "crash", "document": "https://a.example/page", "detail": "oom",
		}},
		"network error": {mediaReports, reported("network-error", `{"type":"tcp.refused","phase":"connection","server_ip":"192.0.2.1"}`), record{
			"event": "browser_fault", "level": "WARN", "kind": "network-error", "document": "https://a.example/page", "detail": "tcp.refused",
		}},
		"what is not known": {mediaReports, reported("new", `null`), record{"event": "browser_notice", "level": "INFO", "kind": "new", "document": "https://a.example/page"}},
		"values of other types": {mediaReports, reported("deprecation", `{"id":{"a":[1]},"sourceFile":5,"lineNumber":"6","disposition":null}`), record{
			"event": "browser_notice", "level": "INFO", "kind": "deprecation", "document": "https://a.example/page",
		}},
		"one without a list": {mediaReports, `{"type":"crash","body":{"reason":"oom"}}`, record{"event": "browser_fault", "level": "WARN", "kind": "crash", "detail": "oom"}},
		"text that forges a line": {mediaReports, `[{"type":"crash\nlevel=ERROR\u202e","body":{"reason":"` + strings.Repeat("x", 600) + `"}}]`, record{
			"event": "browser_notice", "level": "INFO", "kind": `crash\nlevel=ERROR\u202e`, "detail": strings.Repeat("x", 256) + "…",
		}},
		"a document of a frame without an address": {mediaCSP, `{"csp-report":{"document-uri":"about","blocked-uri":"inline"}}`, record{
			"event": "browser_csp_violation", "level": "WARN", "kind": "csp-violation", "document": "about", "blocked": "inline",
		}},
	} {
		t.Run(desc, func(t *testing.T) {
			resp, got := post(t, headers.ReportsConfig{}, tt.media, tt.body)
			assert.Equal(t, 204, resp.StatusCode)
			assert.Empty(t, body(resp))
			assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			assert.Equal(t, []record{tt.want}, got)
		})
	}
}

func TestReportsKeepOfAURLWhatIsNoSecret(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example/p?q#f":            "https://a.example/p",
		"HTTPS://user:pass@a.example:8443/p": "https://a.example:8443/p",
		`https:\\u:p@a.example\p?x`:          `https://a.example\p`,
		"https:u:p@a.example/x":              "https://a.example/x",
		"https://a.example":                  "https://a.example",
		"wss://u@a.example/s?t":              "wss://a.example/s",
		"ws://a.example/":                    "ws://a.example/",
		"http://a.example/#x":                "http://a.example/",
		"data:text/html,secret":              "data:",
		"blob:https://a.example/secret":      "blob:",
		"javascript:secret":                  "javascript:",
		"mailto:secret@a.example":            "mailto:",
		"wasm-eval":                          "wasm-eval",
		"eval?x":                             "eval",
		"a secret":                           "unreadable",
		"a b:c":                              "unreadable",
		"1:c":                                "unreadable",
		strings.Repeat("a", 65):              "unreadable",
		strings.Repeat("a", 64):              strings.Repeat("a", 64),
		"https://u:" + strings.Repeat("p", 600) + "@a.example/": "https://a.example/",
	} {
		text, err := json.Marshal(map[string]any{"csp-report": map[string]string{"blocked-uri": in}})
		require.NoError(t, err)
		_, got := post(t, headers.ReportsConfig{}, mediaCSP, string(text))
		require.Len(t, got, 1)
		want, _ := json.Marshal(want) // as the log line escapes it
		var plain string
		require.NoError(t, json.Unmarshal(want, &plain))
		assert.Equal(t, strings.ReplaceAll(plain, `\`, `\\`), got[0]["blocked"], in)
	}
}

func TestReportsOfExtensionsAreNoise(t *testing.T) {
	for _, noise := range []string{
		`"blocked-uri":"chrome-extension"`, `"blocked-uri":"moz-extension://id/x.js"`, `"source-file":"safari-web-extension"`, `"document-uri":"ms-browser-extension://x"`,
		`"blocked-uri":"about"`, `"blocked-uri":"about:blank"`, `"source-file":"about:srcdoc"`,
	} {
		text := `{"csp-report":{` + noise + `}}`
		resp, got := post(t, headers.ReportsConfig{}, mediaCSP, text)
		assert.Equal(t, 204, resp.StatusCode)
		assert.Empty(t, got, noise)
		_, got = post(t, headers.ReportsConfig{KeepNoise: true}, mediaCSP, text)
		assert.Len(t, got, 1, noise)
	}
}

func TestSamplesAreLoggedIfAskedFor(t *testing.T) {
	for _, text := range []string{`{"csp-report":{"script-sample":"var a"}}`, `{"csp-report":{"sample":"var a"}}`} {
		_, got := post(t, headers.ReportsConfig{}, mediaCSP, text)
		assert.NotContains(t, got[0], "sample")
		_, got = post(t, headers.ReportsConfig{Samples: true}, mediaCSP, text)
		assert.Equal(t, "var a", got[0]["sample"])
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	for desc, tt := range map[string]struct {
		media, body, code string
		status            int
	}{
		"another media type":            {"application/json", `{}`, "unsupported_media_type", 415},
		"text, which any page may send": {"text/plain", `{}`, "unsupported_media_type", 415},
		"too long":                      {mediaCSP, `{"csp-report":{"a":"` + strings.Repeat("x", 100) + `"}}`, "request_too_large", 413},
		"no JSON":                       {mediaReports, `[{]`, "parse_error", 400},
		"nothing":                       {mediaReports, ``, "parse_error", 400},
		"a name twice":                  {mediaCSP, `{"csp-report":{"a":1,"a":1}}`, "parse_error", 400},
		"more after the end":            {mediaReports, `[] []`, "parse_error", 400},
		"invalid UTF-8":                 {mediaReports, "[{\"type\":\"\xff\"}]", "parse_error", 400},
		"too deep":                      {mediaReports, strings.Repeat("[", 20) + strings.Repeat("]", 20), "parse_error", 400},
		"no report":                     {mediaCSP, `{"a":{}}`, "invalid", 400},
		"a list for report-uri":         {mediaCSP, `[]`, "invalid", 400},
		"a text":                        {mediaReports, `"x"`, "invalid", 400},
	} {
		t.Run(desc, func(t *testing.T) {
			resp, got := post(t, headers.ReportsConfig{MaxBody: 100}, tt.media, tt.body)
			assert.Equal(t, tt.status, resp.StatusCode)
			text := body(resp)
			assert.Contains(t, text, `"code":"`+tt.code+`"`)
			assert.NotContains(t, text, "errors")
			assert.Equal(t, []map[string]any{{"event": "input_validation_fail", "level": "WARN", "code": tt.code, "method": "POST", "path": "/reports"}}, got)
		})
	}
	t.Run("another method", func(t *testing.T) {
		collector, err := headers.NewReports(headers.ReportsConfig{Logger: silent()})
		require.NoError(t, err)
		for _, method := range []string{"GET", "PUT", "OPTIONS", "HEAD"} {
			resp := answer(collector, httptest.NewRequest(method, "/", strings.NewReader(`[]`)))
			assert.Equal(t, 405, resp.StatusCode)
			assert.Equal(t, "POST", resp.Header.Get("Allow"))
		}
	})
	t.Run("the zero value", func(t *testing.T) {
		assert.Equal(t, 503, answer(new(headers.Reports), httptest.NewRequest("POST", "/", nil)).StatusCode)
	})
}

func TestReportsAreBounded(t *testing.T) {
	many := "[" + strings.Repeat(`5,{"body":{}},{"type":"crash"},`, 7) + `{"type":"last"}]`
	synctest.Test(t, func(t *testing.T) {
		var log lockedLog
		collector, err := headers.NewReports(headers.ReportsConfig{MaxReports: 5, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(many))
		r.Header.Set("Content-Type", mediaReports)
		assert.Equal(t, 204, answer(collector, r).StatusCode)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got := records(t, &log)
		require.Len(t, got, 2, "repeats are one record")
		assert.Equal(t, "crash", got[0]["kind"])
		assert.InDelta(t, 4, got[1]["count"], 0)
	})
	_, got := post(t, headers.ReportsConfig{}, mediaReports, "["+strings.Repeat(`{"type":"a"},`, 99)+`{"type":"b"},{"type":"c"}]`)
	assert.Equal(t, "b", got[len(got)-1]["kind"], "the 100th is the last one")
}

func TestReportsThatDifferAreToldApart(t *testing.T) {
	var all []string
	for _, name := range []string{"effectiveDirective", "blockedURL", "sourceFile", "id", "disposition"} {
		for _, value := range []string{"a", "b"} {
			all = append(all, fmt.Sprintf(`{"type":"csp-violation","body":{%q:%q}}`, name, value))
		}
	}
	all = append(all, `{"type":"a"}`)
	_, got := post(t, headers.ReportsConfig{}, mediaReports, "["+strings.Join(all, ",")+"]")
	assert.Len(t, got, len(all))
	// One mistake of a template is on a thousand pages.
	_, got = post(t, headers.ReportsConfig{}, mediaReports, `[{"type":"a","url":"https://a.example/1"},{"type":"a","url":"https://a.example/2","body":{"lineNumber":5}}]`)
	assert.Len(t, got, 1)
}

func TestReportsConfigMistakes(t *testing.T) {
	for _, tt := range []struct {
		cfg  headers.ReportsConfig
		want string
	}{
		{headers.ReportsConfig{MaxBody: -1, MaxReports: -1}, "MaxBody: invalid: \"-1\"\nMaxReports: invalid: \"-1\""},
		{headers.ReportsConfig{MaxBody: 1<<24 + 1, MaxReports: 10_001}, "MaxBody: invalid: \"16777217\"\nMaxReports: invalid: \"10001\""},
	} {
		c, err := headers.NewReports(tt.cfg)
		assert.Nil(t, c)
		assert.Equal(t, tt.want, conferrtest.Text(err))
	}
	_, err := headers.NewReports(headers.ReportsConfig{MaxBody: 1 << 24, MaxReports: 10_000})
	require.NoError(t, err)
	assert.False(t, reflect.TypeFor[headers.ReportsConfig]().Comparable())
	resp, _ := post(t, headers.ReportsConfig{}, mediaCSP, `{"csp-report":{"a":"`+strings.Repeat("x", 256<<10-len(`{"csp-report":{"a":""}}`))+`"}}`)
	assert.Equal(t, 204, resp.StatusCode)
	resp, _ = post(t, headers.ReportsConfig{}, mediaCSP, `{"csp-report":{"a":"`+strings.Repeat("x", 256<<10+1-len(`{"csp-report":{"a":""}}`))+`"}}`)
	assert.Equal(t, 413, resp.StatusCode)
}
