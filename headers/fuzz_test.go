package headers_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/headers"
)

// fuzzedCSP is a policy of which a fuzzer chose the parts; "" leaves one out.
type fuzzedCSP struct {
	style, img, sandbox, types, uri, endpoint string
	reportOnly                                bool
}

func FuzzCSP(f *testing.F) {
	for _, s := range []string{"'self'", "https://a.example/x", "a;b", "a b", "*.example.com:*", "'nonce-x'", "'sha256-AAAA'", "data:", "%[1]s", "a\x00b", "[::1]:80", "'nonce'", "'none'"} {
		f.Add(s, s, s, s, s, s, false)
	}
	f.Add("'self'", "data:", "allow-forms", "default", "/r?a=b", "main", false)
	f.Add("'self'", "data:", "allow-scripts; script-src *", "a b", "https://r.example/,x", `main", x="`, true)
	f.Add("'self'", "data:", "", "'allow-duplicates'", "https://r.example/?a;b", "m*._-", true)
	f.Fuzz(func(t *testing.T, style, img, sandbox, types, uri, endpoint string, reportOnly bool) {
		all := fuzzedCSP{style, img, sandbox, types, uri, endpoint, reportOnly}
		all.check(t)
		// One bad part refuses the whole, so that each is tried alone too.
		fuzzedCSP{style: style, img: img, reportOnly: reportOnly}.check(t)
		fuzzedCSP{img: img, sandbox: sandbox}.check(t)
		fuzzedCSP{img: img, types: types, reportOnly: reportOnly}.check(t)
		fuzzedCSP{img: img, uri: uri, reportOnly: reportOnly}.check(t)
		fuzzedCSP{img: img, uri: "/r", endpoint: endpoint, reportOnly: reportOnly}.check(t)
	})
}

// build returns the policy, and what a browser must read from it.
func (p fuzzedCSP) build(nonce string) (csp *headers.CSP, want [][]string) {
	csp = &headers.CSP{Default: sources{headers.Self}, Style: sources{headers.WithNonce}}
	want = [][]string{{"default-src", "'self'"}, {"style-src", "'nonce-" + nonce + "'"}}
	if p.style != "" {
		csp.Style = append(csp.Style, headers.Source(p.style))
		want[1] = append(want[1], p.style)
	}
	if p.img != "" {
		csp.Img = sources{headers.Source(p.img)}
		want = append(want, []string{"img-src", p.img})
	}
	if p.sandbox != "" {
		csp.Sandbox = []string{p.sandbox}
		want = append(want, []string{"sandbox", p.sandbox})
	}
	if p.types != "" {
		csp.TrustedTypes = []string{p.types}
		want = append(want, []string{"trusted-types", p.types})
	}
	if p.uri != "" {
		csp.ReportURI = []string{p.uri}
		want = append(want, []string{"report-uri", p.uri})
	}
	if p.endpoint != "" {
		csp.ReportTo = p.endpoint
		want = append(want, []string{"report-to", p.endpoint})
	}
	return csp, want
}

// check reads the answer's policy as a browser does, unless New refuses it: one
// policy, its directives, and one word for each part.
func (p fuzzedCSP) check(t *testing.T) {
	t.Helper()
	cfg, name := headers.Web("api.example.com"), "Content-Security-Policy"
	csp, _ := p.build("")
	if p.reportOnly {
		cfg.CSPReportOnly, name = csp, "Content-Security-Policy-Report-Only"
	} else {
		cfg.CSP = csp
	}
	if p.endpoint != "" {
		cfg.ReportingEndpoints = map[string]string{p.endpoint: p.uri}
	}
	cfg.Logger = silent()
	h, err := headers.New(cfg)
	if err != nil {
		return
	}
	resp := answer(h.Handler(page(1)), over("https", "GET", "/"))
	policy := resp.Header.Get(name)
	for i := range len(policy) {
		if c := policy[i]; c < ' ' || c > '~' || c == ',' {
			t.Fatalf("byte %#x in %q", c, policy)
		}
	}
	var got [][]string
	for directive := range strings.SplitSeq(policy, ";") {
		got = append(got, strings.Fields(directive))
	}
	_, want := p.build(body(resp))
	if len(resp.Header[name]) != 1 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %q; want %q", resp.Header[name], want)
	}
	// A structured field: a dictionary of one string (RFC 9651 section 3.2).
	if endpoints := resp.Header.Get("Reporting-Endpoints"); p.endpoint != "" &&
		(endpoints != p.endpoint+`="`+p.uri+`"` || strings.Count(endpoints, `"`) != 2 || strings.ContainsAny(p.endpoint, ",;= ") || strings.Contains(endpoints, `\`)) {
		t.Fatalf("endpoints %q", endpoints)
	}
}

// slowCookie reads a Set-Cookie line as RFC 6265bis section 5.6 words it, step
// by step, apart from the code under test.
type slowCookie struct {
	name, value, path, sameSite string
	secure, httpOnly, domain    bool
}

func readSlowly(line string) (c slowCookie) {
	wsp := func(s string) string { return strings.Trim(s, " \t") }
	pair, attributes, _ := strings.Cut(line, ";")
	if name, value, ok := strings.Cut(pair, "="); ok {
		c.name, c.value = wsp(name), wsp(value)
	} else {
		c.value = wsp(pair)
	}
	for attributes != "" {
		var av string
		av, attributes, _ = strings.Cut(attributes, ";")
		name, value, _ := strings.Cut(av, "=")
		name, value = wsp(name), wsp(value)
		if len(value) > 1024 {
			continue
		}
		switch asciiLower(name) {
		case "secure":
			c.secure = true
		case "httponly":
			c.httpOnly = true
		case "path":
			c.path = value
		case "domain":
			c.domain = true
		case "samesite":
			c.sameSite = asciiLower(value)
		}
	}
	return c
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return string(b)
}

func FuzzSetCookie(f *testing.F) {
	for _, form := range readCookieForms(f).Forms {
		f.Add(form.SetCookie, form.Scheme == "https")
	}
	f.Add("sid=1; Path=/; HttpOnly; Secure; SameSite=Lax", true)
	f.Add("sid=1; HttpOnly; Secure; SameSite=Lax; SameSite=None; Domain=other.example", true)
	f.Add("sid=1; HttpOnly; Secure; SameSite=Strict; samesite", true)
	h := newHeaders(f, readCookieForms(f).config())
	// With a rule for any cookie, each one is taken apart.
	quick, thorough := headers.API("localhost"), headers.API("localhost")
	thorough.Cookies.SameSite = map[string]http.SameSite{"unrelated": http.SameSiteLaxMode}
	plain, slow := newHeaders(f, quick), newHeaders(f, thorough)
	prefixes := map[string]string{"sid": "__Host-", "ref": "__Secure-", "key": "__Host-Http-"}
	f.Fuzz(func(t *testing.T, line string, https bool) {
		scheme := "http"
		if https {
			scheme = "https"
		}
		hardenedBy := func(h *headers.Headers, line string) string {
			return answer(h.Handler(setting(line)), localRequest(scheme)).Header["Set-Cookie"][0]
		}
		harden := func(line string) string { return hardenedBy(h, line) }
		if a, b := hardenedBy(plain, line), hardenedBy(slow, line); a != b {
			t.Fatalf("%q at first sight became %q, taken apart %q", line, a, b)
		}
		out := harden(line)
		before, after := readSlowly(line), readSlowly(out)
		name := before.name
		if https {
			name = prefixes[before.name] + before.name
		}
		if after.name != name || after.value != before.value {
			t.Fatalf("%q became %q: another cookie", line, out)
		}
		if https && !after.secure || before.secure && !after.secure || before.httpOnly && !after.httpOnly {
			t.Fatalf("%q became %q: loosened", line, out)
		}
		if !after.httpOnly && before.name != "csrftoken" {
			t.Fatalf("%q became %q: scripts can read it", line, out)
		}
		rank := map[string]int{"none": 1, "lax": 2, "strict": 3}
		if rank[after.sameSite] < rank[before.sameSite] || https && rank[after.sameSite] == 0 {
			t.Fatalf("%q became %q: SameSite", line, out)
		}
		if strings.HasPrefix(asciiLower(after.name), "__host-") && (after.path != "/" || after.domain) {
			t.Fatalf("%q became %q: browsers drop it", line, out)
		}
		if again := harden(out); again != out {
			t.Fatalf("%q became %q and then %q", line, out, again)
		}
	})
}

func FuzzHost(f *testing.F) {
	for _, tr := range tricks() {
		if host, ok := strings.CutPrefix(tr.desc, "Host "); ok {
			f.Add(host)
		}
	}
	f.Add("a.b.shop.example:8080")
	f.Add("[::1]:8443")
	h := newHeaders(f, headers.API("api.example.com", "*.shop.example", "localhost:*", "[::1]:8443"))
	f.Fuzz(func(t *testing.T, host string) {
		r := over("https", "GET", "/")
		r.Host = host
		v, err := h.Check(r)
		if err != nil {
			return
		}
		// An independent look: net/url's idea of the authority must be an allowed one.
		u, err := url.Parse("https://" + host + "/")
		if err != nil || u.User != nil || u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q was admitted; net/url: %v %v", host, u, err)
		}
		name, port := strings.TrimSuffix(asciiLower(u.Hostname()), "."), u.Port()
		usual := port == "" || port == "80" || port == "443"
		switch {
		case name == "localhost":
		case name == "api.example.com" && usual:
		case strings.HasSuffix(name, ".shop.example") && usual:
		case port == "8443" && netip.MustParseAddr(name) == netip.IPv6Loopback():
		default:
			t.Fatalf("%q was admitted", host)
		}
		if strings.ContainsAny(v.Host, "@/\\?#, \t%") || v.Host != asciiLower(v.Host) {
			t.Fatalf("%q became %q", host, v.Host)
		}
	})
}

func FuzzLocation(f *testing.F) {
	for _, target := range []string{"/", "//evil.example", "/\\evil", "/%2f%2fevil?a=b", "http://x.example//y", "/\xff?\"<>", "*", "a:b", "https://u:p@x.example/#f"} {
		f.Add(target)
	}
	h := newHeaders(f, headers.API("api.example.com"))
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := over("http", "GET", "/")
		r.URL = u
		v, err := h.Check(r)
		if err != nil {
			return
		}
		to, err := url.Parse(v.Location)
		if err != nil || to.Scheme != "https" || to.Host != "api.example.com" || to.User != nil || to.Fragment != "" || !strings.HasPrefix(v.Location, "https://api.example.com/") {
			t.Fatalf("%q leads to %q (%v)", target, v.Location, err)
		}
		for i := range len(v.Location) {
			if c := v.Location[i]; c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("byte %#x in %q", c, v.Location)
			}
		}
		if to.Path != u.Path && (u.Path != "" || to.Path != "/") {
			t.Fatalf("path %q became %q", u.Path, to.Path)
		}
	})
}

func FuzzForwardedProto(f *testing.F) {
	for _, s := range []string{"proto=https", `x="`, `x="\`, `proto=https;x="`, "a,b;proto=https", `proto="https"`, `"`, `\`} {
		f.Add(s)
	}
	layers := map[string]*headers.Headers{}
	for _, name := range []string{"Forwarded", "X-Forwarded-Proto"} {
		cfg := headers.API("api.example.com")
		cfg.Proxies.Prefixes, cfg.Proxies.SchemeHeader = prefixes("10.0.0.0/8"), name
		layers[name] = newHeaders(f, cfg)
	}
	f.Fuzz(func(t *testing.T, client string) {
		for name, appended := range map[string][]string{
			"Forwarded":         {"for=192.0.2.1;proto=http", `for="[2001:db8::1]:1";proto=http`, `proto=http;by="_x"`, "for=192.0.2.1"},
			"X-Forwarded-Proto": {"http", ""},
		} {
			for _, own := range appended {
				for _, lines := range [][]string{{client + ", " + own}, {client + "," + own}, {client, own}} {
					r := over("http", "POST", "/")
					r.RemoteAddr = "10.0.0.1:1"
					r.Header = http.Header{name: lines}
					if v, err := layers[name].Check(r); err == nil {
						t.Fatalf("%s %q was believed: %v", name, lines, v)
					}
				}
			}
		}
	})
}

// FuzzReports: whatever comes, the answer is one of a few, and a record is one
// line of bounded length that has neither a query nor what stands before an @.
func FuzzReports(f *testing.F) {
	f.Add(`{"csp-report":{"document-uri":"https://u:p@a.example/p?q","violated-directive":"img-src x","line-number":5}}`)
	f.Add(`[{"type":"coep","url":"https://a.example/?x#y","body":{"type":"corp","blockedURL":"data:x"}},{}]`)
	f.Add(`[{"type":"x","body":{"sourceFile":"https:\\\\u@a\\b?c","id":"\u202e\n"}},5,[[]]`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, media := range []string{mediaCSP, mediaReports} {
			resp, got := post(t, headers.ReportsConfig{MaxBody: 4096, MaxReports: 8, KeepNoise: true, Samples: true}, media, text)
			if resp.StatusCode != 204 && resp.StatusCode != 400 && resp.StatusCode != 413 {
				t.Fatalf("%d", resp.StatusCode)
			}
			if resp.StatusCode != 204 && (len(got) != 1 || got[0]["event"] != "input_validation_fail") || len(got) > 8 {
				t.Fatalf("%d: %v", resp.StatusCode, got)
			}
			for _, record := range got {
				for name, value := range record {
					s, isText := value.(string)
					if isText && (len(s) > 256+len("…") || strings.ContainsAny(s, "\n\r\x1b")) {
						t.Fatalf("%s: %q", name, s)
					}
					switch name {
					case "document", "blocked", "source":
						authority, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "/")
						authority, _, _ = strings.Cut(authority, `\`)
						if strings.ContainsAny(s, "?#") || strings.Contains(authority, "@") {
							t.Fatalf("%s: %q", name, s)
						}
					}
				}
			}
		}
	})
}
