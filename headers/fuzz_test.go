package headers_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/headers"
)

func FuzzCSP(f *testing.F) {
	for _, s := range []string{"'self'", "https://a.example/x", "a;b", "a b", "*.example.com:*", "'nonce-x'", "'sha256-AAAA'", "data:", "%[1]s", "a\x00b", "[::1]:80", "'nonce'", "'none'"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		cfg := headers.Web("api.example.com")
		cfg.CSP = &headers.CSP{Default: sources{headers.Self}, Style: sources{headers.Source(a), headers.WithNonce}, Img: sources{headers.Source(b)}}
		cfg.Logger = silent()
		h, err := headers.New(cfg)
		if err != nil {
			return
		}
		resp := answer(h.Handler(page(1)), over("https", "GET", "/"))
		policy, nonce := resp.Header.Get("Content-Security-Policy"), body(resp)
		want := "default-src 'self'; style-src " + a + " 'nonce-" + nonce + "'; img-src " + b
		if policy != want {
			t.Fatalf("got %q; want %q", policy, want)
		}
		// Read as a browser reads it: one policy, three directives, one word for each source.
		if strings.Contains(policy, ",") || strings.Count(policy, ";") != 2 || len(strings.Fields(policy)) != 7 {
			t.Fatalf("a source broke out: %q", policy)
		}
		for i := range len(policy) {
			if policy[i] < ' ' || policy[i] > '~' {
				t.Fatalf("byte %#x in %q", policy[i], policy)
			}
		}
		if a == "%[1]s" || strings.Contains(policy, "$NONCE") {
			t.Fatalf("a template got through: %q", policy)
		}
	})
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
	h := newHeaders(f, readCookieForms(f).config())
	prefixes := map[string]string{"sid": "__Host-", "ref": "__Secure-", "key": "__Host-Http-"}
	f.Fuzz(func(t *testing.T, line string, https bool) {
		scheme := "http"
		if https {
			scheme = "https"
		}
		harden := func(line string) string {
			return answer(h.Handler(setting(line)), localRequest(scheme)).Header["Set-Cookie"][0]
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
		cfg.TrustedProxies, cfg.SchemeHeader = prefixes("10.0.0.0/8"), name
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
