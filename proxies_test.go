package rampart_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/server"
)

func networks(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// What each platform documents that it sends, and what one value makes of it.
func TestOneValueFitsEachPlatform(t *testing.T) {
	const client, balancer = "198.51.100.7", "10.0.0.9"
	for _, tt := range []struct {
		platform string
		proxies  rampart.Proxies
		peer     string
		header   map[string]string // beside what the client forges
	}{
		{"nginx on this machine", rampart.Proxies{Prefixes: networks("127.0.0.0/8"), ClientHeader: "X-Real-IP"}, "127.0.0.1", map[string]string{"X-Real-Ip": client, "X-Forwarded-Proto": "https"}},
		{"an AWS load balancer", rampart.Proxies{Prefixes: networks("10.0.0.0/8")}, balancer, map[string]string{"X-Forwarded-For": "203.0.113.66, " + client, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}},
		{"CloudFront before an AWS load balancer", rampart.Proxies{Hops: 2, SchemeHeader: "CloudFront-Forwarded-Proto"}, balancer, map[string]string{"X-Forwarded-For": "203.0.113.66, " + client + ", 130.176.0.1", "X-Forwarded-Proto": "http", "Cloudfront-Forwarded-Proto": "https"}},
		{"Cloud Run behind Google's load balancer", rampart.Proxies{Hops: 2}, "169.254.1.1", map[string]string{"X-Forwarded-For": "203.0.113.66, " + client + ",35.191.0.1", "X-Forwarded-Proto": "https"}},
		{"Cloud Run by itself", rampart.Proxies{Hops: 1}, "169.254.1.1", map[string]string{"X-Forwarded-For": "203.0.113.66," + client, "X-Forwarded-Proto": "https", "Forwarded": `for="198.51.100.7";proto=https`}},
		{"Heroku", rampart.Proxies{Hops: 1}, "10.1.2.3", map[string]string{"X-Forwarded-For": "203.0.113.66, " + client, "X-Forwarded-Proto": "https", "Via": "1.1 vegur"}},
		{"Fly", rampart.Proxies{Hops: 1, ClientHeader: "Fly-Client-IP", SchemeHeader: "Fly-Forwarded-Proto"}, "172.16.0.2", map[string]string{"Fly-Client-Ip": client, "Fly-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.66, " + client + ", 66.241.0.1"}},
		{"Cloudflare", rampart.Proxies{Prefixes: networks("173.245.48.0/20"), ClientHeader: "CF-Connecting-IP"}, "173.245.48.1", map[string]string{"Cf-Connecting-Ip": client, "X-Forwarded-For": "203.0.113.66, " + client, "X-Forwarded-Proto": "https"}},
		{"Azure App Service", rampart.Proxies{Hops: 1}, "169.254.130.1", map[string]string{"X-Forwarded-For": "203.0.113.66, " + client + ":51234", "X-Forwarded-Proto": "https", "X-Arr-Ssl": "2048|256|CN=issuer|CN=host"}},
		{"Fastly", rampart.Proxies{Prefixes: networks("151.101.0.0/16"), ClientHeader: "Fastly-Client-IP", SchemeHeader: "Fastly-SSL"}, "151.101.0.1", map[string]string{"Fastly-Client-Ip": client, "Fastly-Ssl": "1"}},
		{"a proxy with RFC 7239", rampart.Proxies{Prefixes: networks("10.0.0.0/8"), ClientHeader: "Forwarded", SchemeHeader: "Forwarded", HostHeader: "Forwarded"}, balancer, map[string]string{"Forwarded": `for=203.0.113.66;proto=http;host=evil.example, for=198.51.100.7;proto=https;host=api.example.com`}},
	} {
		t.Run(tt.platform, func(t *testing.T) {
			clients, err := server.NewClientIP(tt.proxies)
			require.NoError(t, err)
			cfg := headers.API("api.example.com")
			cfg.Proxies = tt.proxies
			browser, err := headers.New(cfg)
			require.NoError(t, err)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.RemoteAddr, r.Host = tt.peer+":4711", "api.example.com"
			if tt.proxies.HostHeader != "" {
				r.Host = "backend.internal"
			}
			for name, value := range tt.header {
				r.Header.Set(name, value)
			}
			assert.Equal(t, client, clients.Addr(r).String())
			verdict, err := browser.Check(r)
			require.NoError(t, err)
			assert.Equal(t, "https", verdict.Scheme)
			assert.Equal(t, "api.example.com", verdict.Host)
		})
	}
}

func TestTheSchemeIsWhatTheFarthestProxySays(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		hops  int
		lines []string
		https bool
	}{
		{"one proxy", 1, []string{"https"}, true},
		{"one proxy, and a client's lie before it", 1, []string{"https, http"}, false},
		{"two proxies, the inner one speaks http", 2, []string{"https, http"}, true},
		{"two proxies, in two lines", 2, []string{"https", "http"}, true},
		{"two proxies, and a client's lie before them", 2, []string{"https, http, http"}, false},
		{"two proxies, of which the inner one replaces", 2, []string{"https"}, true},
		{"three proxies, of which one replaces and one appends", 3, []string{"https, http"}, false},
		{"none says a word", 1, nil, false},
	} {
		cfg := headers.API("api.example.com")
		cfg.Proxies.Hops = tt.hops
		browser, err := headers.New(cfg)
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Host = "api.example.com"
		r.Header["X-Forwarded-Proto"] = tt.lines
		verdict, _ := browser.Check(r)
		assert.Equal(t, tt.https, verdict.Scheme == "https", tt.desc)
	}
}

func TestAStrangersWordCountsForNothing(t *testing.T) {
	proxies := rampart.Proxies{Prefixes: networks("10.0.0.0/8"), HostHeader: "X-Forwarded-Host"}
	cfg := headers.API("api.example.com")
	cfg.Proxies = proxies
	browser, err := headers.New(cfg)
	require.NoError(t, err)
	ask := func(peer, host, forwarded string) (headers.Verdict, error) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.RemoteAddr, r.Host = peer+":1", host
		r.TLS = new(tls.ConnectionState)
		if forwarded != "" {
			r.Header.Set("X-Forwarded-Host", forwarded)
		}
		return browser.Check(r)
	}
	_, err = ask("192.0.2.1", "evil.example", "api.example.com")
	assert.ErrorContains(t, err, "evil.example", "a stranger names its host by Host")
	_, err = ask("10.0.0.1", "api.example.com", "evil.example")
	assert.ErrorContains(t, err, "evil.example", "what the client asked a proxy for is checked")
	_, err = ask("10.0.0.1", "api.example.com", "api.example.com, evil.example")
	assert.ErrorContains(t, err, "evil.example", "the nearest proxy's is the rightmost")
	v, err := ask("10.0.0.1", "api.example.com", "")
	require.NoError(t, err, "a proxy that says nothing passes Host on")
	assert.Equal(t, "api.example.com", v.Host)
}

func TestProxiesReportEveryMistake(t *testing.T) {
	for _, tt := range []struct {
		desc    string
		proxies rampart.Proxies
		want    []string
	}{
		{"none is fine", rampart.Proxies{}, nil},
		{"private networks are fine", rampart.Proxies{Prefixes: networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "2001:db8::/32")}, nil},
		{"one prefix twice is fine", rampart.Proxies{Prefixes: networks("64.0.0.0/2", "64.0.0.0/2", "65.0.0.0/8")}, nil},
		{"no prefixes", rampart.Proxies{Prefixes: []netip.Prefix{{}, netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, []string{"Prefixes invalid", "Prefixes invalid", "Prefixes invalid"}},
		{"everybody", rampart.Proxies{Prefixes: networks("0.0.0.0/0")}, []string{"Prefixes too_wide"}},
		{"everybody by IPv6", rampart.Proxies{Prefixes: networks("::/0")}, []string{"Prefixes too_wide"}},
		{"everybody in two halves", rampart.Proxies{Prefixes: networks("0.0.0.0/1", "128.0.0.0/1")}, []string{"Prefixes too_wide"}},
		{"everybody in four parts", rampart.Proxies{Prefixes: networks("0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2")}, []string{"Prefixes too_wide"}},
		{"all of IPv6 that is in use", rampart.Proxies{Prefixes: networks("2000::/3")}, []string{"Prefixes too_wide"}},
		{"too many hops", rampart.Proxies{Hops: 17}, []string{"Hops invalid"}},
		{"fewer than none", rampart.Proxies{Hops: -1}, []string{"Hops invalid"}},
		{"both", rampart.Proxies{Hops: 1, Prefixes: networks("10.0.0.0/8")}, []string{"Hops conflict"}},
		{"two hops in one address", rampart.Proxies{Hops: 2, ClientHeader: "X-Real-IP"}, []string{"Hops conflict"}},
		{"headers of nobody", rampart.Proxies{ClientHeader: "X-Real-IP", SchemeHeader: "X-Scheme", HostHeader: "X-Forwarded-Host"}, []string{"ClientHeader pointless", "SchemeHeader pointless", "HostHeader pointless"}},
		{"headers that are none", rampart.Proxies{Hops: 1, ClientHeader: "a b", SchemeHeader: "c:", HostHeader: "é"}, []string{"ClientHeader invalid", "SchemeHeader invalid", "HostHeader invalid"}},
	} {
		var got []string
		for m := range rampart.Mistakes(checked(tt.proxies)) {
			got = append(got, fmt.Sprint(m.Field, " ", m.Reason))
		}
		assert.Equal(t, tt.want, got, tt.desc)
	}
}

func checked(p rampart.Proxies) error {
	_, err := p.Checked()
	return err
}

func TestHopsBelieveAUnixSocketToo(t *testing.T) {
	clients, err := server.NewClientIP(rampart.Proxies{Hops: 1})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	assert.Equal(t, "198.51.100.7", clients.Addr(r).String())
}

func TestWithoutProxiesNobodysWordCounts(t *testing.T) {
	var none rampart.Proxies
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	assert.False(t, none.Trusts(r))
	assert.False(t, none.HTTPS(r))
	listed := rampart.Proxies{Prefixes: networks("10.0.0.0/8")}
	assert.False(t, listed.HTTPS(r), "a stranger's")
	r.RemoteAddr = "10.0.0.1:1"
	assert.True(t, listed.HTTPS(r))
}

func TestHopsBelieveNoRequestID(t *testing.T) {
	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Hops: 1}})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", "of-the-client")
	w := httptest.NewRecorder()
	ids.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	assert.NotEqual(t, "of-the-client", w.Header().Get("X-Request-ID"))
}

// What a client appends must not cost more than in proportion.
func TestLongForwardedLinesCostNoMoreThanTheirLength(t *testing.T) {
	clients, err := server.NewClientIP(rampart.Proxies{Prefixes: networks("192.0.2.0/24"), ClientHeader: "Forwarded"})
	require.NoError(t, err)
	for _, piece := range []string{",", "for=192.0.2.1,", `for="192.0.2.1",`, ";"} {
		for _, n := range []int{64 << 10, 1 << 20} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header["Forwarded"] = []string{strings.Repeat(piece, n/len(piece))}
			var addr netip.Addr
			took := cputime.Spent(func() { addr = clients.Addr(r) })
			assert.Less(t, took, time.Second, "%q", piece)
			assert.False(t, addr.IsValid() && addr != netip.MustParseAddr("192.0.2.1"), "%q: %s", piece, addr)
			for _, header := range []string{"Forwarded", "X-Forwarded-Proto"} {
				r.Header[header] = r.Header["Forwarded"]
				p := rampart.Proxies{Hops: 2, SchemeHeader: header}
				var tries []float64 // goroutines of other tests may allocate meanwhile
				for range 5 {
					tries = append(tries, testing.AllocsPerRun(1, func() { p.HTTPS(r) }))
				}
				assert.LessOrEqual(t, slices.Min(tries), 20.0, "%q", piece)
			}
		}
	}
}
