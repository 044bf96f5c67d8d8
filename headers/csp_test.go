package headers_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

type sources = []headers.Source

// sent returns the policy that goes out for csp, before any nonce is drawn.
func sent(tb testing.TB, csp *headers.CSP) string {
	tb.Helper()
	cfg := headers.Web("api.example.com")
	cfg.CSP = csp
	cfg.ReportingEndpoints = map[string]string{"main": "/r"}
	return answer(newHeaders(tb, cfg).Handler(http.HandlerFunc(ok)), over("https", "GET", "/")).Header.Get("Content-Security-Policy")
}

func TestCSPRendering(t *testing.T) {
	one := sources{headers.Self}
	for desc, tt := range map[string]struct {
		csp  headers.CSP
		want string
	}{
		"every list, in a fixed order": {headers.CSP{
			BaseURI: one, FrameAncestors: one, FormAction: one, Manifest: one, Worker: one, Child: one, Fenced: one, Frame: one, Object: one, Media: one, Connect: one, Font: one, Img: one,
			StyleAttr: one, StyleElem: one, Style: one, ScriptAttr: one, ScriptElem: one, Script: one, Default: sources{headers.None},
		}, "default-src 'none'; script-src 'self'; script-src-elem 'self'; script-src-attr 'self'; style-src 'self'; style-src-elem 'self'; style-src-attr 'self'; img-src 'self'; font-src 'self'; " +
			"connect-src 'self'; media-src 'self'; object-src 'self'; frame-src 'self'; fenced-frame-src 'self'; child-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'self'"},
		"the rest": {headers.CSP{
			Default: one, Sandbox: []string{"allow-forms", "allow-scripts"}, TrustedTypes: []string{"one", "'allow-duplicates'"}, RequireTrustedTypes: true, UpgradeInsecureRequests: true,
			ReportTo: "main", ReportURI: []string{"/r", "https://r.example/x"},
		}, "default-src 'self'; sandbox allow-forms allow-scripts; trusted-types one 'allow-duplicates'; require-trusted-types-for 'script'; upgrade-insecure-requests; report-uri /r https://r.example/x; report-to main"},
		"an empty sandbox":     {headers.CSP{Default: one, Sandbox: []string{}}, "default-src 'self'; sandbox"},
		"no trusted type":      {headers.CSP{Default: one, TrustedTypes: []string{"'none'"}}, "default-src 'self'; trusted-types 'none'"},
		"hosts and schemes":    {headers.CSP{Default: one, Img: sources{headers.Data, headers.Blob, "https:", "*", "https://cdn.example/a%20b/", "*.example.com:8443", "wss://x.example:*", "[::1]:80", "intranet", "http://old.example"}}, "default-src 'self'; img-src data: blob: https: * https://cdn.example/a%20b/ *.example.com:8443 wss://x.example:* [::1]:80 intranet http://old.example"},
		"a percent sign stays": {headers.CSP{Default: one, Script: sources{headers.WithNonce, "https://a.example/%41%25d"}}, "default-src 'self'; script-src https://a.example/%41%25d"},
		"hashes":               {headers.CSP{Default: one, Script: sources{headers.SHA256("x"), headers.SHA384("x"), headers.SHA512("x"), headers.StrictDynamic, headers.UnsafeHashes, "https:"}}, "default-src 'self'; script-src 'sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=' 'sha384-11LCxR+6DimqGQVwqdQlPkQHegWNMpf6OlYw1b0BJiL5fCisrtMTtcg7uZDKp9qF' 'sha512-pKvURIxJVi2CgRXROh/M6pJ/UrTVRZKX+LQ+QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr+Yg==' 'strict-dynamic' 'unsafe-hashes' https:"},
		"dangerous sources":    {headers.CSP{Default: one, Script: sources{headers.UnsafeInline, headers.UnsafeEval}, DangerouslyUnsafeInline: true, DangerouslyUnsafeEval: true}, "default-src 'self'; script-src 'unsafe-inline' 'unsafe-eval'"},
		"without its nonce a list is stricter": {headers.CSP{
			Default: one, Script: sources{headers.WithNonce}, Style: sources{headers.WithNonce, headers.UnsafeInline}, DangerouslyUnsafeInline: true,
		}, "default-src 'self'; script-src 'none'; style-src 'none'"},
		"every keyword": {headers.CSP{
			Default: one, RequireTrustedTypes: true, ReportTo: "main",
			Script:  sources{headers.Self, headers.WASMUnsafeEval, headers.TrustedTypesEval, headers.ReportSample, headers.SpeculationRules, headers.ReportSHA256, headers.ReportSHA384, headers.ReportSHA512},
			Connect: sources{headers.UnsafeWebTransportHashes},
		}, "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'trusted-types-eval' 'report-sample' 'inline-speculation-rules' 'report-sha256' 'report-sha384' 'report-sha512'; " +
			"connect-src 'unsafe-webtransport-hashes'; require-trusted-types-for 'script'; report-to main"},
		"no WebRTC":                         {headers.CSP{Default: one, WebRTC: "'block'"}, "default-src 'self'; webrtc 'block'"},
		"WebRTC":                            {headers.CSP{Default: one, WebRTC: "'allow'"}, "default-src 'self'; webrtc 'allow'"},
		"any trusted type":                  {headers.CSP{Default: one, TrustedTypes: []string{"*", "'allow-duplicates'"}}, "default-src 'self'; trusted-types * 'allow-duplicates'"},
		"the sandbox tokens of the drafts":  {headers.CSP{Default: one, Sandbox: []string{"allow-storage-access-by-user-activation", "allow-same-site-none-cookies"}}, "default-src 'self'; sandbox allow-storage-access-by-user-activation allow-same-site-none-cookies"},
		"fenced frames of any https origin": {headers.CSP{Default: one, Fenced: sources{"https://*:*"}}, "default-src 'self'; fenced-frame-src https://*:*"},
	} {
		t.Run(desc, func(t *testing.T) { assert.Equal(t, tt.want, sent(t, &tt.csp)) })
	}
}

func TestCSPMistakes(t *testing.T) {
	one := sources{headers.Self}
	tests := []struct {
		desc string
		csp  headers.CSP
		want []string // without "headers: CSP."
	}{
		{"no Default", headers.CSP{Script: one}, []string{`Default: missing`}},
		{"an empty list", headers.CSP{Default: one, Img: sources{}}, []string{`Img: missing`}},
		{"None beside others", headers.CSP{Default: sources{headers.None, headers.Self}}, []string{`Default: conflict: "'none'"`}},
		{"twice the same", headers.CSP{Default: sources{headers.Self, headers.Self}}, []string{`Default: duplicate: "'self'"`}},
		{"StrictDynamic without a nonce or hash", headers.CSP{Default: one, Script: sources{headers.StrictDynamic}}, []string{`Script: conflict: "'strict-dynamic'"`}},
		{"anybody's scripts", headers.CSP{Default: one, Script: sources{"*", "data:", "http:", "https:", "http://a.example", "ws:", "https://*", "filesystem:"}}, []string{
			`Script: too_wide: "*"`, `Script: too_wide: "data:"`, `Script: too_wide: "http:"`, `Script: too_wide: "https:"`, `Script: too_wide: "http://a.example"`, `Script: too_wide: "ws:"`, `Script: too_wide: "https://*"`, `Script: too_wide: "filesystem:"`,
		}},
		{"anybody's objects", headers.CSP{Default: one, Object: sources{"*"}}, []string{`Object: too_wide: "*"`}},
		{"anybody's script elements and workers", headers.CSP{Default: one, ScriptElem: sources{"data:"}, Worker: sources{"DATA:"}}, []string{`ScriptElem: too_wide: "data:"`, `Worker: too_wide: "DATA:"`}},
		{"a wide Default on which scripts fall back", headers.CSP{Default: sources{"*"}, Object: sources{headers.None}}, []string{`Default: too_wide: "*"`}},
		{"unsafe without saying so", headers.CSP{Default: one, Script: sources{headers.UnsafeInline, headers.UnsafeEval}}, []string{`Script: unsafe: "'unsafe-inline'"`, `Script: unsafe: "'unsafe-eval'"`}},
		{"keywords where they mean nothing", headers.CSP{Default: one, Img: sources{headers.WithNonce, headers.UnsafeInline, headers.SHA256("x")}, FrameAncestors: sources{headers.ReportSample}}, []string{
			`Img: pointless: "'nonce'"`, `Img: pointless: "'unsafe-inline'"`, `Img: pointless: "` + string(headers.SHA256("x")) + `"`, `FrameAncestors: pointless: "'report-sample'"`,
		}},
		{"sources that are none", headers.CSP{Default: sources{
			"", "a b", "a;b", "a,b", "a\nb", "ü.example", "'nonce-abc'", "'sha256-AAAA'", "'sha256-!'", "'sha999-AAAA'", "'unknown'", "'self", "self", "none", "unsafe-inline", "$NONCE", "%[1]s",
			"https://a.example/$NONCE", "https://a.example/%[1]s", "https://a.example/%zz", "https://a.example/?q", "1http:", "ht tp://x", "h_p://a.example", "a.example:0", "a.example:80:*", "a..example", "*.", "a.*.example", "a.example.", "\"", "'",
		}}, []string{
			`Default: invalid`, `Default: invalid: "a b"`, `Default: invalid: "a;b"`, `Default: invalid: "a,b"`, `Default: invalid: "a\nb"`, `Default: invalid: "ü.example"`, `Default: invalid: "'nonce-abc'"`,
			`Default: invalid: "'sha256-AAAA'"`, `Default: invalid: "'sha256-!'"`, `Default: invalid: "'sha999-AAAA'"`, `Default: invalid: "'unknown'"`, `Default: invalid: "'self"`, `Default: invalid: "self"`, `Default: invalid: "none"`,
			`Default: invalid: "unsafe-inline"`, `Default: invalid: "$NONCE"`, `Default: invalid: "%[1]s"`, `Default: invalid: "https://a.example/$NONCE"`, `Default: invalid: "https://a.example/%[1]s"`, `Default: invalid: "https://a.example/%zz"`,
			`Default: invalid: "https://a.example/?q"`, `Default: invalid: "1http:"`, `Default: invalid: "ht tp://x"`, `Default: invalid: "h_p://a.example"`, `Default: invalid: "a.example:0"`, `Default: invalid: "a.example:80:*"`,
			`Default: invalid: "a..example"`, `Default: invalid: "*."`, `Default: invalid: "a.*.example"`, `Default: invalid: "a.example."`, `Default: invalid: "\""`, `Default: invalid: "'"`,
		}},
		{"the other directives", headers.CSP{
			Default: one, Sandbox: []string{"allow-everything", "allow-forms; script-src *"}, TrustedTypes: []string{"'none'", "a b", ""}, ReportURI: []string{"http://a.example/", "r", "/a;b", "https://a.example/,x"}, ReportTo: "nowhere",
		}, []string{
			`Sandbox: invalid: "allow-everything"`, `Sandbox: invalid: "allow-forms; script-src *"`, `TrustedTypes: invalid: "a b"`, `TrustedTypes: invalid`, `TrustedTypes: conflict: "'none'"`,
			`ReportURI: invalid: "http://a.example/"`, `ReportURI: invalid: "r"`, `ReportURI: invalid: "/a;b"`, `ReportURI: invalid: "https://a.example/,x"`, `ReportTo: conflict: "nowhere"`,
		}},
		{"lists of words", headers.CSP{
			Default: one, Sandbox: []string{"allow-forms", "allow-forms"}, TrustedTypes: []string{"*", "a", "a"}, WebRTC: "allow",
		}, []string{`Sandbox: duplicate: "allow-forms"`, `TrustedTypes: conflict: "*"`, `TrustedTypes: duplicate: "a"`, `WebRTC: invalid: "allow"`}},
		{"keywords that need another field", headers.CSP{Default: one, Script: sources{headers.TrustedTypesEval, headers.ReportSHA256, headers.ReportSHA384, headers.ReportSHA512}}, []string{
			`Script: pointless: "'trusted-types-eval'"`, `Script: pointless: "'report-sha256'"`, `Script: pointless: "'report-sha384'"`, `Script: pointless: "'report-sha512'"`,
		}},
		{"keywords without quotes", headers.CSP{Default: sources{"report-sample", "trusted-types-eval", "unsafe-hashes"}}, []string{
			`Default: invalid: "report-sample"`, `Default: invalid: "trusted-types-eval"`, `Default: invalid: "unsafe-hashes"`,
		}},
		{"an empty list of trusted types", headers.CSP{Default: one, TrustedTypes: []string{}}, []string{`TrustedTypes: invalid`}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := headers.New(headers.Config{AllowedHosts: []string{"a.example"}, CSP: &tt.csp})
			require.Error(t, err)
			assert.Equal(t, tt.want, strings.Split(strings.ReplaceAll(conferrtest.Text(err), "CSP.", ""), "\n"))
		})
	}
	t.Run("report-only", func(t *testing.T) {
		_, err := headers.New(headers.Config{AllowedHosts: []string{"a.example"}, CSPReportOnly: &headers.CSP{Default: one, Sandbox: []string{}, UpgradeInsecureRequests: true}})
		assert.Equal(t, "CSPReportOnly.Sandbox: pointless\nCSPReportOnly.UpgradeInsecureRequests: pointless", conferrtest.Text(err))
	})
}

// fitting is where each keyword, a nonce and a hash mean something; the specification's
// algorithms, and what Chromium prints, say so.
func fitting() map[headers.Source][]string {
	code := []string{"Default", "Script", "ScriptElem", "ScriptAttr", "Style", "StyleElem", "StyleAttr"}
	loads := []string{"Default", "Script", "ScriptElem"}
	return map[headers.Source][]string{
		headers.ReportSample: code, headers.UnsafeInline: code, headers.SHA256("x"): code,
		headers.UnsafeHashes:     {"Default", "Script", "ScriptElem", "ScriptAttr", "Style", "StyleAttr"},
		headers.WithNonce:        {"Default", "Script", "ScriptElem", "Style", "StyleElem"},
		headers.StrictDynamic:    loads,
		headers.ReportSHA256:     loads,
		headers.ReportSHA384:     loads,
		headers.ReportSHA512:     loads,
		headers.SpeculationRules: {"Script", "ScriptElem"}, headers.UnsafeEval: {"Default", "Script", "Style"},
		headers.WASMUnsafeEval: {"Default", "Script"}, headers.TrustedTypesEval: {"Default", "Script"},
		headers.UnsafeWebTransportHashes: {"Default", "Connect"},
	}
}

func TestEachKeywordIsTakenWhereItMeansSomething(t *testing.T) {
	for source, home := range fitting() {
		for field := range reflect.TypeFor[headers.CSP]().Fields() {
			if field.Type != reflect.TypeFor[[]headers.Source]() {
				continue
			}
			csp := headers.CSP{
				Default: sources{headers.Self}, ReportTo: "main", RequireTrustedTypes: true,
				DangerouslyUnsafeInline: true, DangerouslyUnsafeEval: true,
			}
			list := sources{source}
			if source == headers.StrictDynamic && slices.Contains(home, field.Name) {
				list = append(list, headers.WithNonce)
			}
			reflect.ValueOf(&csp).Elem().FieldByName(field.Name).Set(reflect.ValueOf(list))
			_, err := headers.New(headers.Config{AllowedHosts: []string{"a.example"}, CSP: &csp, ReportingEndpoints: map[string]string{"main": "/r"}})
			if slices.Contains(home, field.Name) {
				assert.NoError(t, err, "%s in %s", source, field.Name)
			} else {
				assert.ErrorContains(t, err, "headers.Config.CSP."+field.Name+": pointless \""+string(source)+"\": it has a meaning only in ", "%s in %s", source, field.Name)
			}
		}
	}
}

func TestADirectiveAmongSourcesIsToldWhatToUse(t *testing.T) {
	for name, want := range map[string]string{
		"block-all-mixed-content": "UpgradeInsecureRequests", "disown-opener": "Config.OpenerPolicy", "navigate-to": "FormAction", "plugin-types": "None in Object",
		"prefetch-src": "Default", "referrer": "Config.ReferrerPolicy", "reflected-xss": "UnsafeInline", "require-sri-for": "Integrity-Policy",
		"img-src": "use its field", "report-to": "use its field", "webrtc": "use its field", "sandbox": "use its field", "trusted-types": "use its field",
		"require-trusted-types-for": "use its field", "upgrade-insecure-requests": "use its field", "report-uri": "use its field",
	} {
		_, err := headers.New(headers.Config{AllowedHosts: []string{"a.example"}, CSP: &headers.CSP{Default: sources{headers.Self, headers.Source(name)}}})
		require.Error(t, err, name)
		assert.Equal(t, `CSP.Default: invalid: "`+name+`"`, conferrtest.Text(err))
		assert.ErrorContains(t, err, want)
	}
}

// page is a handler that asks for the nonce n times and answers with it.
func page(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		nonce := "none"
		for range n {
			again, ok := headers.Nonce(r.Context())
			if !ok || nonce != "none" && nonce != again {
				panic("another nonce")
			}
			nonce = again
		}
		fmt.Fprint(w, nonce)
	}
}

func nonced() headers.Config {
	cfg := headers.Web("api.example.com")
	cfg.CSP.Script = sources{headers.WithNonce, headers.StrictDynamic, headers.UnsafeInline, "https://a.example/%41"}
	cfg.CSP.Style = sources{headers.WithNonce}
	cfg.CSP.DangerouslyUnsafeInline = true
	cfg.CSPReportOnly = &headers.CSP{Default: sources{headers.Self}, Script: sources{headers.WithNonce}}
	return cfg
}

func TestNonce(t *testing.T) {
	h := newHeaders(t, nonced())
	seen := map[string]bool{}
	for range 100 {
		resp := answer(h.Handler(page(2)), over("https", "GET", "/"))
		nonce := body(resp)
		assert.Regexp(t, `^[A-Za-z0-9_-]{22}$`, nonce)
		assert.False(t, seen[nonce], "fresh")
		seen[nonce] = true
		assert.Equal(t, []string{
			"default-src 'self'; script-src 'nonce-" + nonce + "' 'strict-dynamic' 'unsafe-inline' https://a.example/%41; script-src-attr 'none'; style-src 'nonce-" + nonce +
				"'; img-src 'self' data:; object-src 'none'; form-action 'self'; frame-ancestors 'self'; base-uri 'self'",
		}, resp.Header["Content-Security-Policy"])
		assert.Equal(t, []string{"default-src 'self'; script-src 'nonce-" + nonce + "'"}, resp.Header["Content-Security-Policy-Report-Only"])
		assert.Equal(t, []string{"no-store"}, resp.Header["Cache-Control"])
	}
	resp := answer(h.Handler(page(0)), over("https", "GET", "/"))
	assert.Equal(t, "none", body(resp))
	assert.NotContains(t, resp.Header.Get("Content-Security-Policy"), "nonce")
	assert.NotContains(t, resp.Header.Get("Content-Security-Policy"), "unsafe-inline")
	assert.Empty(t, resp.Header["Cache-Control"])
}

func TestNonceAndWhatTheHandlerSets(t *testing.T) {
	h := newHeaders(t, nonced())
	drawThen := func(then func(w http.ResponseWriter)) http.Header {
		return answer(h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, ok := headers.Nonce(r.Context())
			assert.True(t, ok)
			then(w)
		})), over("https", "GET", "/")).Header
	}
	got := drawThen(func(w http.ResponseWriter) { w.Header().Set("Content-Security-Policy", "default-src 'none'") })
	assert.Equal(t, []string{"default-src 'none'"}, got["Content-Security-Policy"], "its own policy stays")
	got = drawThen(func(w http.ResponseWriter) { w.Header().Add("Content-Security-Policy", "sandbox") })
	assert.Len(t, got["Content-Security-Policy"], 2)
	assert.Contains(t, got["Content-Security-Policy"][0], "nonce-", "a further policy only adds")
	got = drawThen(func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "public, max-age=60") })
	assert.Equal(t, []string{"no-store"}, got["Cache-Control"], "a stored nonce would be known to the next reader")
	got = drawThen(func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "private, No-Store") })
	assert.Equal(t, []string{"private, No-Store"}, got["Cache-Control"])
	got = drawThen(func(w http.ResponseWriter) { w.Header().Add("Content-Security-Policy", "sandbox"); w.WriteHeader(304) })
	assert.Equal(t, []string{"sandbox"}, got["Content-Security-Policy"], "a 304 leaves the stored page's nonce alone")
	assert.NotContains(t, got, "Content-Security-Policy-Report-Only")
}

func TestNonceIsFalseWhereItCannotHelp(t *testing.T) {
	_, ok := headers.Nonce(t.Context())
	assert.False(t, ok, "no layer")
	answer(newHeaders(t, headers.Web("api.example.com")).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, ok := headers.Nonce(r.Context())
		assert.False(t, ok, "no policy has a nonce")
	})), over("https", "GET", "/"))
	resp := answer(newHeaders(t, nonced()).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		for range 2 {
			_, ok := headers.Nonce(r.Context())
			assert.False(t, ok, "the header is out")
		}
	})), over("https", "GET", "/"))
	assert.NotContains(t, resp.Header.Get("Content-Security-Policy"), "nonce-")
}

func TestNonceIsOneForAllGoroutinesOfARequest(t *testing.T) {
	resp := answer(newHeaders(t, nonced()).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := make([]string, 16)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i], _ = headers.Nonce(r.Context()) })
		}
		wg.Wait()
		for _, nonce := range got {
			assert.Equal(t, got[0], nonce)
		}
		late := make(chan bool)
		go func() { _, ok := headers.Nonce(r.Context()); late <- ok }()
		fmt.Fprint(w, got[0])
		assert.True(t, <-late)
	})), over("https", "GET", "/"))
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "'nonce-"+body(resp)+"'")
}
