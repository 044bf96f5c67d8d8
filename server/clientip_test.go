package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
)

func prefixes(ss ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

func TestClientIP(t *testing.T) {
	behind := rampart.Proxies{Prefixes: prefixes("10.0.0.0/8", "fd00::/8")}
	rfc7239 := rampart.Proxies{Prefixes: prefixes("10.0.0.0/8"), ClientHeader: "forwarded"}
	realIP := rampart.Proxies{Prefixes: prefixes("10.0.0.0/8"), ClientHeader: "x-real-ip"}
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	fwd := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	xri := func(lines ...string) http.Header { return http.Header{"X-Real-Ip": lines} }
	tests := []struct {
		desc   string
		cfg    rampart.Proxies
		peer   string
		header http.Header
		want   string // "" = cannot be told
	}{
		{"no proxy: the peer", rampart.Proxies{}, "192.0.2.1:1", nil, "192.0.2.1"},
		{"no proxy: a header is a lie", rampart.Proxies{}, "192.0.2.1:1", xff("198.51.100.1"), "192.0.2.1"},
		{"a mapped peer is unmapped", rampart.Proxies{}, "[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		{"a zone is stripped", rampart.Proxies{}, "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"a Unix socket has no address", rampart.Proxies{}, "@", nil, ""},
		{"a Unix socket has none, whatever a header says", behind, "@", xff("198.51.100.1"), ""},

		{"an untrusted peer is the client", behind, "192.0.2.1:1", xff("198.51.100.1"), "192.0.2.1"},
		{"a trusted peer without the header is the client", behind, "10.0.0.1:1", nil, "10.0.0.1"},
		{"the header's entry", behind, "10.0.0.1:1", xff("198.51.100.1"), "198.51.100.1"},
		{"what the client wrote on the left is ignored", behind, "10.0.0.1:1", xff("203.0.113.9, 198.51.100.1"), "198.51.100.1"},
		{"garbage on the left is ignored", behind, "10.0.0.1:1", xff("<script>, 198.51.100.1"), "198.51.100.1"},
		{"a second proxy is walked past", behind, "10.0.0.1:1", xff("203.0.113.9, 198.51.100.1, 10.0.0.2"), "198.51.100.1"},
		{"several lines are one list", behind, "10.0.0.1:1", xff("203.0.113.9", "198.51.100.1", "10.0.0.2"), "198.51.100.1"},
		{"only proxies: the leftmost", behind, "10.0.0.1:1", xff("10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		{"garbage behind the proxies cannot be told", behind, "10.0.0.1:1", xff("198.51.100.1, unknown"), ""},
		{"garbage behind a trusted hop", behind, "10.0.0.1:1", xff("nonsense, 10.0.0.2"), ""},
		{"empty elements are ignored", behind, "10.0.0.1:1", xff("198.51.100.1, ,"), "198.51.100.1"},
		{"an empty line is no hop", behind, "10.0.0.1:1", xff(""), "10.0.0.1"},
		{"a port is dropped", behind, "10.0.0.1:1", xff("198.51.100.1:443"), "198.51.100.1"},
		{"IPv6 bare", behind, "[fd00::1]:1", xff("2001:db8::1"), "2001:db8::1"},
		{"IPv6 in brackets", behind, "10.0.0.1:1", xff("[2001:db8::1]"), "2001:db8::1"},
		{"IPv6 in brackets with a port", behind, "10.0.0.1:1", xff("[2001:db8::1]:443"), "2001:db8::1"},
		{"IPv4 in brackets is no address", behind, "10.0.0.1:1", xff("[198.51.100.1]"), ""},
		{"brackets around nonsense", behind, "10.0.0.1:1", xff("[x]"), ""},
		{"open bracket", behind, "10.0.0.1:1", xff("[2001:db8::1"), ""},
		{"a bad port", behind, "10.0.0.1:1", xff("198.51.100.1:99999"), ""},
		{"a mapped entry is unmapped", behind, "10.0.0.1:1", xff("::ffff:198.51.100.1"), "198.51.100.1"},
		{"a mapped entry that is a proxy is walked past", behind, "10.0.0.1:1", xff("198.51.100.1, ::ffff:10.0.0.9"), "198.51.100.1"},
		{"a zone is of another machine", behind, "10.0.0.1:1", xff("fe80::1%eth0"), ""},
		{"an entry of absurd length", behind, "10.0.0.1:1", xff(strings.Repeat("1", 4096)), ""},
		{"underscores are another header", behind, "10.0.0.1:1", http.Header{"X_forwarded_for": {"198.51.100.1"}}, "10.0.0.1"},
		{"tabs around an entry", behind, "10.0.0.1:1", xff("\t198.51.100.1\t"), "198.51.100.1"},

		{"one hop", rampart.Proxies{Hops: 1}, "10.0.0.1:1", xff("203.0.113.9, 198.51.100.1"), "198.51.100.1"},
		{"two hops", rampart.Proxies{Hops: 2}, "10.0.0.1:1", xff("203.0.113.9, 198.51.100.1, 10.0.0.2"), "198.51.100.1"},
		{"fewer hops than proxies came past them", rampart.Proxies{Hops: 2}, "192.0.2.1:1", xff("198.51.100.1"), ""},
		{"no header with hops came past them", rampart.Proxies{Hops: 1}, "192.0.2.1:1", nil, ""},
		{"a hop that is no address", rampart.Proxies{Hops: 1}, "192.0.2.1:1", xff("unknown"), ""},

		{"Forwarded", rfc7239, "10.0.0.1:1", fwd("for=198.51.100.1"), "198.51.100.1"},
		{"Forwarded with other parameters", rfc7239, "10.0.0.1:1", fwd("by=10.0.0.1;FOR=198.51.100.1;proto=https"), "198.51.100.1"},
		{"Forwarded, quoted with a port", rfc7239, "10.0.0.1:1", fwd(`for="198.51.100.1:443"`), "198.51.100.1"},
		{"Forwarded, IPv6 quoted", rfc7239, "10.0.0.1:1", fwd(`for="[2001:db8::1]:443"`), "2001:db8::1"},
		{"Forwarded, IPv6 without brackets breaks RFC 7239 section 6", rfc7239, "10.0.0.1:1", fwd(`for="2001:db8::1"`), ""},
		{"Forwarded list", rfc7239, "10.0.0.1:1", fwd(`for=203.0.113.9, for=198.51.100.1, for="10.0.0.2"`), "198.51.100.1"},
		{"Forwarded lines", rfc7239, "10.0.0.1:1", fwd(`for=203.0.113.9`, `for=198.51.100.1`), "198.51.100.1"},
		{"Forwarded, a quoted comma does not separate", rfc7239, "10.0.0.1:1", fwd(`for=198.51.100.1;x="a, for=203.0.113.9"`), "198.51.100.1"},
		{"Forwarded, an escaped quote is refused", rfc7239, "10.0.0.1:1", fwd(`for="198.51.100.1\""`), ""},
		{"Forwarded, an open quote is refused", rfc7239, "10.0.0.1:1", fwd(`for="198.51.100.1, for=203.0.113.9`), ""},
		{"Forwarded, obfuscated", rfc7239, "10.0.0.1:1", fwd("for=_hidden"), ""},
		{"Forwarded, unknown", rfc7239, "10.0.0.1:1", fwd("for=unknown"), ""},
		{"Forwarded, for twice", rfc7239, "10.0.0.1:1", fwd("for=198.51.100.1;for=203.0.113.9"), ""},
		{"Forwarded, no for", rfc7239, "10.0.0.1:1", fwd("proto=https"), ""},
		{"Forwarded, no pair", rfc7239, "10.0.0.1:1", fwd("198.51.100.1"), ""},
		{"Forwarded, a blank before the name", rfc7239, "10.0.0.1:1", fwd("for=198.51.100.1; for=203.0.113.9"), ""},
		{"Forwarded, a value that is no token", rfc7239, "10.0.0.1:1", fwd("for=[2001:db8::1]"), ""},
		{"Forwarded, trailing semicolon", rfc7239, "10.0.0.1:1", fwd("for=198.51.100.1;"), ""},
		{"Forwarded, text after the quote", rfc7239, "10.0.0.1:1", fwd(`for="198.51.100.1"x`), ""},
		{"Forwarded configured, X-Forwarded-For sent", rfc7239, "10.0.0.1:1", xff("198.51.100.1"), "10.0.0.1"},

		{"single-value header", realIP, "10.0.0.1:1", xri("198.51.100.1"), "198.51.100.1"},
		{"single-value header twice", realIP, "10.0.0.1:1", xri("198.51.100.1", "203.0.113.9"), ""},
		{"single-value header with a list", realIP, "10.0.0.1:1", xri("198.51.100.1, 203.0.113.9"), ""},
		{"single-value header absent", realIP, "10.0.0.1:1", nil, "10.0.0.1"},
		{"single-value header of an untrusted peer", realIP, "192.0.2.1:1", xri("198.51.100.1"), "192.0.2.1"},
		{"single-value header by hops, absent", rampart.Proxies{Hops: 1, ClientHeader: "X-Real-IP"}, "192.0.2.1:1", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c, err := server.NewClientIP(tt.cfg)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.peer
			if tt.header != nil {
				r.Header = tt.header
			}
			want := netip.Addr{}
			if tt.want != "" {
				want = netip.MustParseAddr(tt.want)
			}
			assert.Equal(t, want, c.Addr(r))

			var inside, held netip.Addr
			var ok bool
			c.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "203.0.113.254:1" // resolved once, not again
				inside = c.Addr(r)
				held, ok = rampart.ClientAddrFrom(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			assert.Equal(t, want, inside)
			assert.Equal(t, want, held)
			assert.True(t, ok)
		})
	}
}

func TestTheZeroClientIPTakesThePeer(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	assert.Equal(t, "192.0.2.1", new(server.ClientIP).Addr(r).String())
	_, ok := rampart.ClientAddrFrom(t.Context())
	assert.False(t, ok)
}

func TestNewClientIPReportsMistakes(t *testing.T) {
	_, err := server.NewClientIP(rampart.Proxies{ClientHeader: "X-Real-IP"})
	require.Error(t, err)
	for m := range rampart.Mistakes(err) {
		assert.Equal(t, "ClientHeader", m.Field)
	}
}

func TestLaterChangesOfTheConfigHaveNoEffect(t *testing.T) {
	trusted := prefixes("10.0.0.0/8")
	c, err := server.NewClientIP(rampart.Proxies{Prefixes: trusted})
	require.NoError(t, err)
	trusted[0] = netip.MustParsePrefix("192.0.2.0/24")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	assert.Equal(t, "192.0.2.1", c.Addr(r).String())
}

// Whatever a client writes, the address that the proxy appended decides.
func FuzzClientIP(f *testing.F) {
	for _, s := range []string{"", "198.51.100.1", `for="[::1]:1";by=x`, `"`, `\`, ", ,", "for=a,for=b", "[::1", "::ffff:10.0.0.1%x"} {
		f.Add(s, s)
	}
	trusted := prefixes("10.0.0.0/8")
	xff, _ := server.NewClientIP(rampart.Proxies{Prefixes: trusted})
	fwd, _ := server.NewClientIP(rampart.Proxies{Prefixes: trusted, ClientHeader: "Forwarded"})
	f.Fuzz(func(t *testing.T, first, second string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{first, second + ", 198.51.100.7"}
		r.Header["Forwarded"] = []string{first + second, "for=198.51.100.7"}
		for _, c := range []*server.ClientIP{xff, fwd} {
			if got := c.Addr(r).String(); got != "198.51.100.7" {
				t.Errorf("got %s", got)
			}
		}
		r.Header["X-Forwarded-For"] = []string{first, second}
		r.Header["Forwarded"] = []string{first, second}
		for _, c := range []*server.ClientIP{xff, fwd} {
			if got := c.Addr(r); got.Zone() != "" || got.Is4In6() {
				t.Errorf("got %s", got)
			}
		}
	})
}

func BenchmarkClientIP(b *testing.B) {
	c, err := server.NewClientIP(rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")})
	require.NoError(b, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.1, 10.0.0.2")
	b.ReportAllocs()
	for b.Loop() {
		c.Addr(r)
	}
}

func ExampleClientIP() {
	clientIP, err := server.NewClientIP(rampart.Proxies{
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.5:4711" // our load balancer
	r.Header.Set("X-Forwarded-For", "127.0.0.1, 203.0.113.9")
	fmt.Println(clientIP.Addr(r), slices.Contains([]string{"127.0.0.1"}, clientIP.Addr(r).String()))
	// Output: 203.0.113.9 false
}
