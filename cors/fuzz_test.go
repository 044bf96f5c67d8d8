package cors_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/cors"
)

// The slow matcher below is written from the rules in words, with other means
// than the package: a regular expression, net/url and lists of labels.

var slowOrigin = regexp.MustCompile(`^([a-z][a-z0-9+.-]{0,63})://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?$`)

type slowTuple struct {
	scheme, host, port string
	address            bool
}

func slowParse(s string) (o slowTuple, ok bool) {
	m := slowOrigin.FindStringSubmatch(s)
	if m == nil {
		return o, false
	}
	o.scheme, o.host, o.port = m[1], m[2], m[3]
	u, err := url.Parse(s)
	if err != nil || u.Host != strings.TrimPrefix(s, o.scheme+"://") || u.User != nil || u.Path != "" {
		return o, false
	}
	if len(o.port) == 5 && o.port > "65535" || o.port != "" && o.port == slowDefaults[o.scheme] || len(o.host) > 253 {
		return o, false
	}
	if strings.HasPrefix(o.host, "[") {
		addr, err := netip.ParseAddr(u.Hostname())
		o.address = true
		return o, err == nil && addr.Is6() && !addr.Is4In6() && "["+addr.String()+"]" == o.host
	}
	labels := strings.Split(strings.TrimSuffix(o.host, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return o, false
		}
	}
	if slowNumber.MatchString(labels[len(labels)-1]) {
		addr, err := netip.ParseAddr(o.host)
		o.address = true
		return o, err == nil && addr.Is4()
	}
	return o, true
}

var (
	slowNumber   = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)
	slowDefaults = map[string]string{"https": "443", "http": "80", "ws": "80", "wss": "443", "ftp": "21"}
)

// slowMatch reports whether pattern, which New has accepted, covers o.
func slowMatch(pattern string, o slowTuple) bool {
	base, anyPort := strings.CutSuffix(pattern, ":*")
	scheme, rest, _ := strings.Cut(base, "://")
	rest, below := strings.CutPrefix(rest, "*.")
	p, ok := slowParse(scheme + "://" + rest)
	if !ok || p.scheme != o.scheme || !anyPort && p.port != o.port {
		return false
	}
	if !below {
		return p.host == o.host
	}
	own, theirs := strings.Split(p.host, "."), strings.Split(o.host, ".")
	return !o.address && len(theirs) > len(own) && slices.Equal(theirs[len(theirs)-len(own):], own)
}

func originSeeds() []string {
	return []string{
		"https://app.example.com", "https://a.b.shop.example", "https://.shop.example", "https://evil.example#.shop.example", "null", "",
		"http://localhost:3000", "http://[::1]:9090", "https://[app.example.com]", "https://1.2.3.4", "https://127.1", "https://a.0x1",
		"https://app.example.com:443", "https://app.example.com.", "https://my_app.example.com:8443", "ext+x://a", "https://-a.shop.example",
	}
}

// FuzzOrigin: an origin is well-formed exactly if the slow parser says so, and
// allowed exactly if the slow matcher finds it in the policy.
func FuzzOrigin(f *testing.F) {
	policy := []string{
		"https://app.example.com", "https://*.shop.example", "http://localhost:*", "https://*.example.org:*", "http://[::1]:*", "https://*.a.shop.example:8443",
		"https://1.2.3.4:*", "ext+x://a", "https://my_app.example.com:8443",
	}
	c, err := cors.New(cors.Config{Origins: policy, Logger: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range originSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := lines{"Origin", text, "Sec-Fetch-Site", "cross-site"}.request(t, http.MethodGet)
		verdict, err := c.Check(r)
		o, ok := slowParse(text)
		if wellFormed := ok || text == "null"; wellFormed != (verdict.Origin == text && text != "") {
			t.Fatalf("%q: well-formed %t, but verdict %+v", text, wellFormed, verdict)
		}
		want := ok && slices.ContainsFunc(policy, func(p string) bool { return slowMatch(p, o) })
		if verdict.Allowed != want || (err == nil) != want {
			t.Fatalf("%q: in the policy %t, but verdict %+v, %v", text, want, verdict, err)
		}
	})
}

// FuzzPattern: whatever New accepts admits what the slow matcher finds in it,
// and nothing else; and it survives Config and Reconfigure.
func FuzzPattern(f *testing.F) {
	for _, seed := range originSeeds() {
		f.Add(seed, "https://x.shop.example")
		f.Add("https://*.shop.example:*", seed)
	}
	f.Add("https://*.com", "https://a.com")
	f.Add("*", "https://a.com")
	f.Fuzz(func(t *testing.T, pattern, origin string) {
		c, err := cors.New(cors.Config{Origins: []string{pattern}, Logger: quiet()})
		if err != nil {
			return
		}
		o, ok := slowParse(origin)
		want := pattern == "*" || ok && slowMatch(pattern, o)
		r := lines{"Origin", origin, "Sec-Fetch-Site", "cross-site"}.request(t, http.MethodGet)
		if verdict, _ := c.Check(r); verdict.Allowed != want {
			t.Fatalf("pattern %q, origin %q: in it %t, but verdict %+v", pattern, origin, want, verdict)
		}
	})
}

// slowList is the rules of Access-Control-Request-Headers in words: elements
// between commas, two blanks and sixteen empty ones at most, then names in
// lower case that rise strictly.
func slowList(lists []string) (names []string, ok bool) {
	empty := 0
	for _, line := range lists {
		for element := range strings.SplitSeq(line, ",") {
			name := strings.Trim(element, " \t")
			if len(element)-len(name) > 2 {
				return nil, false
			}
			if name == "" {
				empty++
				continue
			}
			names = append(names, name)
		}
	}
	rising := slices.IsSorted(names) && len(slices.Compact(slices.Clone(names))) == len(names)
	valid := !slices.ContainsFunc(names, func(n string) bool { return !isToken(n) || n != strings.ToLower(n) })
	return names, empty <= 16 && rising && valid
}

// FuzzRequestHeaders: a list is allowed exactly if the slow parser reads it and
// the policy names all of it; and what is echoed is made of tokens only.
func FuzzRequestHeaders(f *testing.F) {
	listed := []string{"authorization", "content-type", "x-api-key"}
	named, err := cors.New(cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: listed, Logger: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	echo, err := cors.New(cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"*"}, Credentials: true, Logger: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"authorization,content-type", "authorization , x-api-key", ",,authorization", "\t\tauthorization", "content-type,authorization",
		"*", "x-a\nx-b", "Authorization", "authorization\n", strings.Repeat(",", 20), "a\r,b", "ü",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := asks("https://app.example.com", http.MethodGet, "").request(t, http.MethodOptions)
		lists := strings.Split(text, "\n") // a line each
		r.Header["Access-Control-Request-Headers"] = lists
		names, ok := slowList(lists)

		want := ok && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(listed, n) })
		if verdict, err := named.Check(r); verdict.Allowed != want {
			t.Fatalf("%q: want %t, got %v", lists, want, err)
		}
		want = ok && len(text)-strings.Count(text, "\n") <= 4096
		if verdict, err := echo.Check(r); verdict.Allowed != want {
			t.Fatalf("%q echoed: want %t, got %v", lists, want, err)
		}
		w, ran := serve(echo, r)
		if got := w.Header().Get("Access-Control-Allow-Headers"); ran || strings.ContainsFunc(got, func(c rune) bool {
			return c != ',' && c != ' ' && c != '\t' && !isToken(string(c))
		}) {
			t.Fatalf("%q echoed as %q, handler ran: %t", lists, got, ran)
		}
	})
}
