package headers_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// trick is a request that tries to be served where it must not be, or to be
// sent to another host. The request is written to a real server byte for byte.
type trick struct {
	desc  string
	raw   string // request line and header, "|" for CRLF
	where string // configuration, see tricked
	peer  string // "" means a stranger
	https bool   // as if over TLS
}

const (
	secretly = "|Authorization: Bearer x"
	good     = "|Host: api.example.com"
)

// hostTrick is a request over TLS with a Host line.
func hostTrick(host string) trick {
	return trick{desc: "Host " + host, raw: "GET / HTTP/1.1|Host: " + host, https: true}
}

// proto is a POST over plain http that claims to have come over https.
func proto(desc, peer, where string, lines ...string) trick {
	return trick{desc: desc, raw: "POST / HTTP/1.1" + good + "|" + strings.Join(lines, "|"), peer: peer, where: where}
}

// local is a POST over plain http to a loopback name.
func local(desc, peer, host string, lines ...string) trick {
	var raw strings.Builder
	raw.WriteString("POST / HTTP/1.1|Host: " + host)
	for _, line := range lines {
		raw.WriteString("|" + line)
	}
	return trick{desc: desc, raw: raw.String(), peer: peer, where: "local"}
}

func tricks() []trick {
	var all []trick
	for _, host := range []string{
		"evil.example", "api.example.com.evil.example", "evil-api.example.com", "xapi.example.com", "example.com", "com", "*", "*.example.com", "null",
		"api.example.com@evil.example", "evil.example@api.example.com", "user:pw@api.example.com", "evil.example#api.example.com", "api.example.com#evil.example",
		"evil.example/api.example.com", "api.example.com/", `api.example.com\evil.example`, "evil.example?api.example.com",
		"api.example.com, evil.example", "api.example.com,api.example.com", "api.example.com evil.example", "api.example.com;evil.example",
		"api.example.com:", "api.example.com:0", "api.example.com:080", "api.example.com:99999", "api.example.com:65536", "api.example.com:443x", "api.example.com:-1",
		"api.example.com:+443", "api.example.com:8443", "api.example.com:443:80", "api.example.com::443",
		"[api.example.com]", "[::1]", "[::ffff:127.0.0.1]", "::1", "[fe80::1%25eth0]", "[::1", "[]",
		"localhost", "127.0.0.1", "127.1", "0x7f.1", "127.0.0.0x1", "2130706433", "0", "0.0.0.0", "api.example.com..", ".api.example.com", "api..example.com", ".", "..",
		"api.example.com%00", "%61pi.example.com", "api%2eexample.com", "api。example.com", "аpi.example.com", "api.example.ſom",
		"api_example.com", "'api.example.com'", `"api.example.com"`, "<api.example.com>", "http://api.example.com", "//api.example.com", "api.example.com\x7f",
		strings.Repeat("a.", 130) + "api.example.com",
	} {
		all = append(all, hostTrick(host))
	}
	for _, host := range []string{
		"shop.example", "evilshop.example", ".shop.example", "..shop.example", "-.shop.example", "evil.example#.shop.example", "evil.example/.shop.example",
		"a.shop.example.evil.example", "a.shop.example:8080", "[a.shop.example]", "a@b.shop.example", "a.shop.example.evil", "*.shop.example",
	} {
		tr := hostTrick(host)
		tr.desc, tr.where = "below a wildcard: "+tr.desc, "wildcard"
		all = append(all, tr)
	}
	all = append(
		all,
		trick{desc: "no Host at all", raw: "GET / HTTP/1.0", https: true},
		trick{desc: "no Host in HTTP/1.1", raw: "GET / HTTP/1.1", https: true},
		trick{desc: "an empty Host", raw: "GET / HTTP/1.1|Host:", https: true},
		trick{desc: "two Host lines", raw: "GET / HTTP/1.1|Host: api.example.com|Host: evil.example", https: true},
		trick{desc: "a folded Host line", raw: "GET / HTTP/1.1|Host: api.example.com| evil.example", https: true},
		trick{desc: "an absolute-form target of another host", raw: "GET http://evil.example/ HTTP/1.1" + good, https: true},
		trick{desc: "an absolute-form target with userinfo", raw: "GET http://api.example.com@evil.example/ HTTP/1.1" + good, https: true},
		trick{desc: "X-Forwarded-Host is never read", raw: "GET / HTTP/1.1|Host: evil.example|X-Forwarded-Host: api.example.com", https: true},
		trick{desc: "X-Forwarded-Host of a trusted proxy is not read either", raw: "GET / HTTP/1.1|Host: evil.example|X-Forwarded-Host: api.example.com|X-Forwarded-Proto: https", peer: "10.0.0.1", where: "proxy"},
		trick{desc: "X-Host", raw: "GET / HTTP/1.1|Host: evil.example|X-Host: api.example.com", https: true},
		trick{desc: "Forwarded host", raw: "GET / HTTP/1.1|Host: evil.example|Forwarded: host=api.example.com", https: true},

		trick{desc: "an absolute-form https target over plain http, with a token", raw: "GET https://api.example.com/ HTTP/1.1" + good + secretly},
		trick{desc: "an absolute-form https target over plain http, POST", raw: "POST https://api.example.com/ HTTP/1.1" + good},
		trick{desc: "an absolute-form https target over plain http, GET", raw: "GET https://api.example.com/ HTTP/1.1" + good},
		trick{desc: "an absolute-form HTTPS target in capitals", raw: "POST HTTPS://api.example.com/ HTTP/1.1" + good},
		proto("a stranger's X-Forwarded-Proto", "", "proxy", "X-Forwarded-Proto: https"),
		proto("a stranger's X-Forwarded-Proto, nobody trusted", "", "", "X-Forwarded-Proto: https"),
		proto("a stranger's Forwarded", "", "forwarded", "Forwarded: proto=https"),
		proto("a neighbour of the proxies", "11.0.0.1", "proxy", "X-Forwarded-Proto: https"),
		proto("a Unix socket is no trusted proxy", "@", "proxy", "X-Forwarded-Proto: https"),
		proto("a trusted proxy that says http", "10.0.0.1", "proxy", "X-Forwarded-Proto: http"),
		proto("a trusted proxy that says nothing", "10.0.0.1", "proxy", "X: y"),
		proto("the client wrote https, the proxy appended http", "10.0.0.1", "proxy", "X-Forwarded-Proto: https, http"),
		proto("in two lines", "10.0.0.1", "proxy", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"),
		proto("an empty element behind", "10.0.0.1", "proxy", "X-Forwarded-Proto: https,"),
		proto("an empty value", "10.0.0.1", "proxy", "X-Forwarded-Proto:"),
		proto("a longer word", "10.0.0.1", "proxy", "X-Forwarded-Proto: httpss"),
		proto("a URL", "10.0.0.1", "proxy", "X-Forwarded-Proto: https://"),
		proto("a long s", "10.0.0.1", "proxy", "X-Forwarded-Proto: httpſ"),
		proto("a parameter", "10.0.0.1", "proxy", "X-Forwarded-Proto: https;q=1"),
		proto("wss", "10.0.0.1", "proxy", "X-Forwarded-Proto: wss"),
		proto("on", "10.0.0.1", "proxy", "X-Forwarded-Proto: on"),
		proto("an underscore makes another header", "10.0.0.1", "proxy", "X_Forwarded_Proto: https"),
		proto("a header that is not configured", "10.0.0.1", "proxy", "X-Forwarded-Ssl: on"),
		proto("Front-End-Https is not configured", "10.0.0.1", "proxy", "Front-End-Https: on"),
		proto("Forwarded is not configured", "10.0.0.1", "proxy", "Forwarded: proto=https"),
		proto("X-Forwarded-Proto where Forwarded is configured", "10.0.0.1", "forwarded", "X-Forwarded-Proto: https"),
		proto("Forwarded: the client's element", "10.0.0.1", "forwarded", "Forwarded: proto=https, for=192.0.2.1;proto=http"),
		proto("Forwarded: the client's line", "10.0.0.1", "forwarded", "Forwarded: proto=https", "Forwarded: for=192.0.2.1"),
		proto("Forwarded: an open quote swallows the proxy's element", "10.0.0.1", "forwarded", `Forwarded: proto=https;x=", for=192.0.2.1;proto=http`),
		proto("Forwarded: an open quote, and the proxy quotes", "10.0.0.1", "forwarded", `Forwarded: proto=https;x=", for="[2001:db8::1]";proto=http`),
		proto("Forwarded: an escaped quote", "10.0.0.1", "forwarded", `Forwarded: x="\", for=192.0.2.1;proto=http`),
		proto("Forwarded: proto twice", "10.0.0.1", "forwarded", "Forwarded: proto=https;proto=http"),
		proto("Forwarded: proto twice, the same", "10.0.0.1", "forwarded", "Forwarded: proto=http;proto=https"),
		proto("Forwarded: another parameter's value", "10.0.0.1", "forwarded", `Forwarded: for="x;proto=https"`),
		proto("Forwarded: no value", "10.0.0.1", "forwarded", "Forwarded: proto"),
		proto("a single-value header, twice", "10.0.0.1", "single", "X-Scheme: https", "X-Scheme: https"),
		proto("a single-value header, a list", "10.0.0.1", "single", "X-Scheme: http, https"),
		proto("a single-value header, off", "10.0.0.1", "single", "X-Scheme: off"),
		proto("a trusted proxy over TLS that says http", "10.0.0.1", "proxytls", "X-Forwarded-Proto: http"),

		local("a loopback Host from afar", "", "localhost"),
		local("a loopback peer, the public Host: a proxy on this machine", "127.0.0.1", "api.example.com"),
		local("a loopback peer through a proxy: X-Forwarded-For", "127.0.0.1", "localhost", "X-Forwarded-For: 192.0.2.1"),
		local("a loopback peer through a proxy: X-Forwarded-Proto", "127.0.0.1", "localhost", "X-Forwarded-Proto: http"),
		local("a loopback peer through a proxy: an unknown X-Forwarded header", "::1", "[::1]", "X-Forwarded-Anything: 1"),
		local("a loopback peer through a proxy: Forwarded", "::1", "[::1]:8080", "Forwarded: for=192.0.2.1"),
		local("a loopback peer through a proxy: Via", "127.0.0.1", "127.0.0.1", "Via: 1.1 x"),
		local("a loopback peer through a proxy: X-Real-IP", "127.0.0.1", "127.0.0.1:8000", "X-Real-IP: 192.0.2.1"),
		local("a loopback peer through a tunnel: CF-Connecting-IP", "127.0.0.1", "localhost", "CF-Connecting-IP: 192.0.2.1"),
		local("a loopback name of somebody else", "127.0.0.1", "localhost.evil.example"),
		local("a loopback address in another notation", "127.0.0.1", "127.1"),
		local("a mapped loopback address", "127.0.0.1", "[::ffff:127.0.0.1]"),
		local("a Unix socket", "@", "localhost"),
		trick{desc: "a proxy that speaks HTTP/1.0 and rewrites Host", raw: "POST / HTTP/1.0|Host: 127.0.0.1:8080", peer: "127.0.0.1", where: "local"},
		trick{desc: "NoLoopback", raw: "POST / HTTP/1.1|Host: localhost", peer: "127.0.0.1", where: "noloopback"},
		trick{desc: "a trusted proxy on this machine that says nothing", raw: "POST / HTTP/1.1|Host: localhost", peer: "127.0.0.1", where: "localproxy"},

		trick{desc: "a token over plain http", raw: "GET / HTTP/1.1" + good + secretly},
		trick{desc: "a cookie over plain http", raw: "GET / HTTP/1.1" + good + "|Cookie: a=b"},
		trick{desc: "an API key over plain http", raw: "GET / HTTP/1.1" + good + "|X-API-Key: b"},
		trick{desc: "a configured credential over plain http", raw: "GET / HTTP/1.1" + good + "|X-Device-Key: b", where: "credential"},
		trick{desc: "an empty token over plain http", raw: "GET / HTTP/1.1" + good + "|Authorization:"},
		trick{desc: "a body on GET", raw: "GET / HTTP/1.1" + good + "|Content-Length: 1||x"},
		trick{desc: "a chunked body on GET", raw: "GET / HTTP/1.1" + good + "|Transfer-Encoding: chunked||0||"},
		trick{desc: "a WebSocket over plain http", raw: "GET / HTTP/1.1" + good + "|Connection: Upgrade|Upgrade: websocket"},
		trick{desc: "a preflight over plain http", raw: "OPTIONS / HTTP/1.1" + good + "|Origin: https://a.example|Access-Control-Request-Method: PUT"},
		trick{desc: "a method in lower case", raw: "get / HTTP/1.1" + good},
		trick{desc: "an opaque target", raw: "GET http:evil.example HTTP/1.1" + good},
		trick{desc: "a target that is no path", raw: "GET * HTTP/1.1" + good},
		trick{desc: "a CONNECT", raw: "CONNECT api.example.com:443 HTTP/1.1" + good},
		trick{desc: "a POST to a probe", raw: "POST /healthz HTTP/1.1|Host: 10.0.0.9", where: "probe"},
		trick{desc: "a probe's path escaped", raw: "GET /healthz%2f HTTP/1.1|Host: 10.0.0.9", where: "probe"},
		trick{desc: "below a probe", raw: "GET /healthz/x HTTP/1.1|Host: 10.0.0.9", where: "probe"},
		trick{desc: "a probe's path with dots", raw: "GET /x/../healthz HTTP/1.1|Host: 10.0.0.9", where: "probe"},
	)
	for _, target := range []string{
		"//evil.example", "//evil.example/", "///evil.example", `/\evil.example`, `\\evil.example`, "/%2f%2fevil.example", "/%5cevil.example", "/.//evil.example", "/..//evil.example",
		"/@evil.example", "/;@evil.example", "/:80@evil.example", "/%0d%0aSet-Cookie:%20x=1", "/%00", "/?next=//evil.example", "?//evil.example", "/?%0d%0aX:y", "/?<script>\"",
		"/#evil.example", "http://api.example.com", "http://api.example.com//evil.example/", "http://api.example.com?@evil.example", "https://api.example.com/@evil.example", "/\xff\xfe?\xff",
	} {
		all = append(all, trick{desc: "redirect of " + target, raw: "GET " + target + " HTTP/1.1" + good})
	}
	return all
}

// tricked returns the configurations that the tricks are played on.
func tricked() map[string]headers.Config {
	edit := func(change func(*headers.Config)) headers.Config {
		cfg := headers.API("api.example.com")
		cfg.Logger = silent()
		change(&cfg)
		return cfg
	}
	ten := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	local := []string{"api.example.com", "localhost:*", "127.0.0.1:*", "[::1]:*"}
	return map[string]headers.Config{
		"":           edit(func(*headers.Config) {}),
		"wildcard":   edit(func(c *headers.Config) { c.AllowedHosts = []string{"*.shop.example"} }),
		"proxy":      edit(func(c *headers.Config) { c.Proxies.Prefixes = ten }),
		"proxytls":   edit(func(c *headers.Config) { c.Proxies.Prefixes = ten }),
		"forwarded":  edit(func(c *headers.Config) { c.Proxies.Prefixes, c.Proxies.SchemeHeader = ten, "forwarded" }),
		"single":     edit(func(c *headers.Config) { c.Proxies.Prefixes, c.Proxies.SchemeHeader = ten, "X-Scheme" }),
		"local":      edit(func(c *headers.Config) { c.AllowedHosts = local }),
		"noloopback": edit(func(c *headers.Config) { c.AllowedHosts, c.Redirect.NoLoopback = local, true }),
		"localproxy": edit(func(c *headers.Config) {
			c.AllowedHosts, c.Proxies.Prefixes = local, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}),
		"credential": edit(func(c *headers.Config) { c.CredentialHeaders = []string{"x-device-key"} }),
		"probe":      edit(func(c *headers.Config) { c.ProbePaths = []string{"/healthz"} }),
	}
}

// play sends raw to a server with the layer and returns the answer, and
// whether the handler ran.
func play(t *testing.T, tr trick) (resp *http.Response, served bool) {
	t.Helper()
	cfg, known := tricked()[tr.where]
	require.True(t, known, tr.where)
	var ran atomic.Bool
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Store(true) }))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context())
		switch tr.peer {
		case "":
			r.RemoteAddr = "192.0.2.1:4711"
		case "@":
			r.RemoteAddr = "@"
		default:
			r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(tr.peer), 4711).String()
		}
		if tr.https || tr.where == "proxytls" {
			r.TLS = &tls.ConnectionState{}
		}
		h.ServeHTTP(w, r)
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	raw := strings.ReplaceAll(tr.raw, "|", "\r\n")
	if !strings.Contains(raw, "\r\n\r\n") {
		raw += "\r\nConnection: close\r\n\r\n"
	}
	_, err = fmt.Fprint(conn, raw)
	require.NoError(t, err)
	resp, err = http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "GET"})
	require.NoError(t, err)
	return resp, ran.Load()
}

func TestNoTrickIsServedOrRedirectedOffTheHost(t *testing.T) {
	all := tricks()
	assert.GreaterOrEqual(t, len(all), 80)
	for _, tr := range all {
		t.Run(tr.desc, func(t *testing.T) {
			resp, served := play(t, tr)
			defer resp.Body.Close()
			assert.False(t, served, "served")
			switch resp.StatusCode {
			case 308:
				to, err := url.Parse(resp.Header.Get("Location"))
				require.NoError(t, err)
				assert.Equal(t, "https://api.example.com", to.Scheme+"://"+to.Host)
				assert.Nil(t, to.User)
				assert.Empty(t, resp.Header["Set-Cookie"])
				assert.NotContains(t, resp.Header.Get("Location"), `\`)
			default:
				assert.Contains(t, []int{400, 403, 505}, resp.StatusCode)
				assert.Empty(t, resp.Header["Location"])
			}
		})
	}
}

func TestWhatLooksLikeATrickButIsNone(t *testing.T) {
	for _, tr := range []trick{
		hostTrick("api.example.com"),
		hostTrick("API.Example.COM"),
		hostTrick("api.example.com."),
		hostTrick("api.example.com:443"),
		hostTrick("api.example.com:80"),
		{desc: "below a wildcard", raw: "GET / HTTP/1.1|Host: a.b.shop.example", https: true, where: "wildcard"},
		{desc: "an absolute-form target", raw: "GET http://api.example.com/ HTTP/1.1|Host: api.example.com", https: true},
		proto("a trusted proxy", "10.0.0.1", "proxy", "X-Forwarded-Proto: https"),
		proto("a trusted proxy, mapped", "::ffff:10.0.0.1", "proxy", "X-Forwarded-Proto: HTTPS"),
		proto("the rightmost value", "10.0.0.1", "proxy", "X-Forwarded-Proto: http , https "),
		proto("Forwarded", "10.0.0.1", "forwarded", `Forwarded: for="[2001:db8::1]:4711";Proto="https";by=_x`),
		proto("Forwarded, rightmost", "10.0.0.1", "forwarded", `Forwarded: proto=http, proto=https`),
		proto("a single value", "10.0.0.1", "single", "X-Scheme: on"),
		proto("TLS from a trusted proxy that says nothing", "10.0.0.1", "proxytls", "X: y"),
		local("a local client", "127.0.0.1", "localhost:8080", "Authorization: x"),
		local("a local client over IPv6", "::1", "[0:0:0:0:0:0:0:1]:8080"),
		local("a local client by address", "127.0.0.1", "127.0.0.1"),
		{desc: "a probe by address", raw: "GET /healthz HTTP/1.0|Authorization: x", where: "probe"},
		{desc: "a probe with HEAD", raw: "HEAD /healthz?x HTTP/1.1|Host: 10.9.8.7:8080", where: "probe"},
	} {
		t.Run(tr.desc, func(t *testing.T) {
			resp, served := play(t, tr)
			defer resp.Body.Close()
			assert.True(t, served)
			assert.Equal(t, 200, resp.StatusCode)
		})
	}
}

func TestLocations(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com", "[::1]:8080"))
	for target, want := range map[string]string{
		"/a/b?c=d&e":          "https://api.example.com/a/b?c=d&e",
		"/?":                  "https://api.example.com/?",
		"/a%20b%2Fc":          "https://api.example.com/a%20b%2Fc",
		"//evil.example/x":    "https://api.example.com//evil.example/x",
		"/\\evil.example":     "https://api.example.com/%5Cevil.example",
		"/?a=\"<>{}|^`\\\xc3": "https://api.example.com/?a=%22%3C%3E%7B%7D%7C%5E%60%5C%C3",
	} {
		r := over("http", "GET", "/")
		var err error
		r.URL, err = url.ParseRequestURI(target)
		require.NoError(t, err)
		v, err := h.Check(r)
		assert.NoError(t, err)
		assert.Equal(t, headers.Verdict{Scheme: "http", Host: "api.example.com", Action: headers.RedirectHTTPS, Location: want}, v, target)
	}
	r := over("http", "GET", "/")
	r.Host = "[::1]:8080"
	v, err := h.Check(r)
	assert.NoError(t, err)
	assert.Equal(t, "https://[::1]/", v.Location)
}

func TestVerdicts(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	r := over("https", "POST", "/")
	r.Host = "API.example.com.:443"
	v, err := h.Check(r)
	assert.NoError(t, err)
	assert.Equal(t, headers.Verdict{Scheme: "https", Host: "api.example.com:443", Action: headers.Serve}, v)

	r.Host = "evil.example"
	v, err = h.Check(r)
	assert.Error(t, err)
	assert.Equal(t, headers.Verdict{Scheme: "https", Action: headers.RefuseHost}, v)

	v, err = h.Check(over("http", "POST", "/"))
	assert.Error(t, err)
	assert.Equal(t, headers.Verdict{Scheme: "http", Host: "api.example.com", Action: headers.RefuseInsecure}, v)

	var names []string
	for a := range headers.RefuseInsecure + 1 {
		names = append(names, a.String())
	}
	assert.Equal(t, []string{"none", "serve", "redirect_https", "refuse_host", "refuse_insecure"}, names)
}
