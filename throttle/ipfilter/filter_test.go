package ipfilter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

func prefixes(ss ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

func from(addr string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = addr
	return r
}

// serve returns the answer and whether next ran.
func serve(f *ipfilter.Filter, r *http.Request) (*httptest.ResponseRecorder, bool) {
	reached := false
	w := httptest.NewRecorder()
	f.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
	return w, reached
}

func TestFilter(t *testing.T) {
	tests := []struct {
		desc       string
		cfg        ipfilter.Config
		remoteAddr string
		want       int
	}{
		{"allowed", ipfilter.Config{Allow: prefixes("192.0.2.0/24")}, "192.0.2.7:1", http.StatusOK},
		{"not allowed", ipfilter.Config{Allow: prefixes("192.0.2.0/24")}, "198.51.100.1:1", http.StatusForbidden},
		{"denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "192.0.2.7:1", http.StatusForbidden},
		{"first of the denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "192.0.2.0:1", http.StatusForbidden},
		{"last of the denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "192.0.2.255:1", http.StatusForbidden},
		{"one before the denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "192.0.1.255:1", http.StatusOK},
		{"one after the denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "192.0.3.0:1", http.StatusOK},
		{"not denied", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "198.51.100.1:1", http.StatusOK},
		{"deny beats allow", ipfilter.Config{Allow: prefixes("192.0.2.0/24"), Deny: prefixes("192.0.2.7/32")}, "192.0.2.7:1", http.StatusForbidden},
		{"IPv4 in IPv6", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "[::ffff:192.0.2.7]:1", http.StatusForbidden},
		{"IPv6 zone", ipfilter.Config{Deny: prefixes("fe80::/10")}, "[fe80::1%eth0]:1", http.StatusForbidden},
		{"one IPv6 address", ipfilter.Config{Allow: prefixes("2001:db8::1/128")}, "[2001:db8::1]:1", http.StatusOK},
		{"its neighbour", ipfilter.Config{Allow: prefixes("2001:db8::1/128")}, "[2001:db8::2]:1", http.StatusForbidden},
		{"all of IPv4", ipfilter.Config{Deny: prefixes("0.0.0.0/0")}, "255.255.255.255:1", http.StatusForbidden},
		{"all of IPv4 is not IPv6", ipfilter.Config{Deny: prefixes("0.0.0.0/0")}, "[2001:db8::1]:1", http.StatusOK},
		{"all of IPv6", ipfilter.Config{Deny: prefixes("::/0")}, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", http.StatusForbidden},
		{"all of IPv6 is not IPv4", ipfilter.Config{Deny: prefixes("::/0")}, "192.0.2.1:1", http.StatusOK},
		{"no address", ipfilter.Config{Deny: prefixes("192.0.2.0/24")}, "@", http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f, err := ipfilter.New(tt.cfg)
			require.NoError(t, err)
			w, reached := serve(f, from(tt.remoteAddr))
			assert.Equal(t, tt.want, w.Code)
			assert.Equal(t, tt.want == http.StatusOK, reached, "next reached")
			if !reached {
				assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
				assert.JSONEq(t, `{"title":"Forbidden","status":403,"code":"address_denied"}`, w.Body.String())
			}
		})
	}
}

// TestManyPrefixesAgainstALinearScan compares with netip on random sets.
func TestManyPrefixesAgainstALinearScan(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(v6 bool, bits int) netip.Prefix {
		if !v6 {
			p, err := netip.AddrFrom4([4]byte{byte(rnd.IntN(3)), byte(rnd.IntN(3)), byte(rnd.Uint32()), byte(rnd.Uint32())}).Prefix(bits)
			require.NoError(t, err)
			return p
		}
		p, err := netip.AddrFrom16([16]byte{0: 0x20, 1: byte(rnd.IntN(3)), 5: byte(rnd.IntN(3)), 8: byte(rnd.Uint32()), 15: byte(rnd.Uint32())}).Prefix(bits)
		require.NoError(t, err)
		return p
	}
	r := from("@")
	for i := range 40 {
		deny, least := make([]netip.Prefix, 1+rnd.IntN(60)), 10
		if i%8 == 0 {
			deny, least = make([]netip.Prefix, 2000), 27 // so many ranges that they have an index
		}
		for i := range deny {
			v6 := rnd.IntN(2) == 0
			deny[i] = random(v6, least+rnd.IntN(33-least))
			if v6 {
				deny[i] = random(v6, least+rnd.IntN(129-least))
			}
		}
		var addr netip.Addr
		f, err := ipfilter.New(ipfilter.Config{Deny: deny, ClientIP: func(*http.Request) netip.Addr { return addr }})
		require.NoError(t, err)
		for range 200 {
			p := deny[rnd.IntN(len(deny))]
			addr = p.Addr()
			switch rnd.IntN(3) {
			case 0:
				addr = addr.Prev()
			case 1:
				addr = random(addr.Is6(), addr.BitLen()).Addr()
			}
			if !addr.IsValid() {
				continue
			}
			want := slices.ContainsFunc(deny, func(p netip.Prefix) bool { return p.Contains(addr) })
			require.Equal(t, want, f.Check(r) != nil, "%v in %v", addr, deny)
		}
	}
}

func TestARefusalIsReportedAndLeftToTheErrorHandler(t *testing.T) {
	var logged bytes.Buffer
	var got error
	f, err := ipfilter.New(ipfilter.Config{
		Deny:     prefixes("192.0.2.0/24"),
		ClientIP: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") },
		Logger:   slog.New(slog.NewJSONHandler(&logged, nil)),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		},
	})
	require.NoError(t, err)
	w, reached := serve(f, from("198.51.100.1:1"))
	assert.False(t, reached)
	assert.Equal(t, http.StatusTeapot, w.Code)
	denied, ok := errors.AsType[*ipfilter.DeniedError](got)
	require.True(t, ok)
	assert.Equal(t, "192.0.2.1", denied.Addr.String())
	var line map[string]any
	require.NoError(t, json.Unmarshal(logged.Bytes(), &line))
	assert.Equal(t, "authz_fail", line["event"])
	assert.Equal(t, "WARN", line["level"])
	assert.Equal(t, "not_admitted", line["reason"])
	assert.Equal(t, "198.51.100.1", line["client_ip"], "no server.ClientIP around it resolved another")
}

// TestReasonsInTheLogAreAFixedSet: they are labels of a Monitor's metrics, which
// have no person in them and room for a few values only.
func TestReasonsInTheLogAreAFixedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		monitor, err := monitor.New(monitor.Config{Handler: slog.DiscardHandler})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, monitor.Close()) })
		news := &fakeFeed{Feed: newFeed(t, feed.Memory())}
		f, err := ipfilter.New(ipfilter.Config{Deny: prefixes("198.51.100.0/24"), Feed: news, Outage: rampart.FailClosed, Logger: slog.New(monitor)})
		require.NoError(t, err)
		require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix("203.0.113.0/24"), time.Now().Add(time.Hour)))
		news.age = time.Minute
		for i := range 200 {
			for _, addr := range []string{"198.51.100.%d:1", "203.0.113.%d:1", "192.0.2.%d:1", "@%d"} {
				_, reached := serve(f, from(fmt.Sprintf(addr, i)))
				require.False(t, reached)
			}
		}
		time.Sleep(3 * time.Second) // until what was folded is written
		var reasons []string
		for s := range monitor.Samples {
			if reason, ok := s.Labels["reason"]; ok && s.Labels["event"] == "authz_fail" {
				reasons = append(reasons, reason)
			}
		}
		assert.ElementsMatch(t, []string{"not_admitted", "blocked", "blocks_unknown", "addr_unknown"}, reasons)
	})
}

func TestNewReportsEveryMistake(t *testing.T) {
	tests := []struct {
		desc string
		cfg  ipfilter.Config
		want []string
	}{
		{"empty", ipfilter.Config{}, []string{"Allow: missing"}},
		{
			"four at once",
			ipfilter.Config{Allow: append(prefixes("192.0.2.1/24", "10.0.0.0/8", "::ffff:192.0.2.0/120"), netip.Prefix{}), Deny: prefixes("10.0.0.0/8")},
			[]string{
				`Allow: invalid: "192.0.2.1/24"`,
				`Allow: invalid: "::ffff:192.0.2.0/120"`,
				`Allow: invalid: "invalid Prefix"`,
				`Deny: conflict: "10.0.0.0/8"`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f, err := ipfilter.New(tt.cfg)
			require.Error(t, err)
			assert.Nil(t, f)
			assert.Equal(t, tt.want, strings.Split(conferrtest.Text(err), "\n"))
			_, ok := errors.AsType[*rampart.ConfigError](err)
			assert.True(t, ok)
		})
	}
	assert.False(t, reflect.TypeFor[ipfilter.Config]().Comparable())
}

func TestTheZeroFilterRefuses(t *testing.T) {
	var f ipfilter.Filter
	require.EqualError(t, f.Check(from("192.0.2.7:1")), "ipfilter: client address unknown")
	w, reached := serve(&f, from("192.0.2.7:1"))
	assert.False(t, reached)
	assert.Equal(t, http.StatusForbidden, w.Code)
}

func TestLaterChangesOfConfigHaveNoEffect(t *testing.T) {
	deny := prefixes("192.0.2.0/24")
	f, err := ipfilter.New(ipfilter.Config{Deny: deny})
	require.NoError(t, err)
	deny[0] = netip.MustParsePrefix("198.51.100.0/24")
	require.EqualError(t, f.Check(from("192.0.2.7:1")), "ipfilter: client address 192.0.2.7 not admitted")
}

func TestReconfigure(t *testing.T) {
	f, err := ipfilter.New(ipfilter.Config{Deny: prefixes("192.0.2.0/24")})
	require.NoError(t, err)
	require.Error(t, f.Reconfigure(ipfilter.Config{}), "a mistake leaves the old lists")
	require.Error(t, f.Check(from("192.0.2.7:1")))

	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			assert.NoError(t, f.Check(from("203.0.113.1:1")), "in neither list")
		}
	})
	for range 20 {
		require.NoError(t, f.Reconfigure(ipfilter.Config{Deny: prefixes("198.51.100.0/24")}))
	}
	wg.Wait()
	require.NoError(t, f.Check(from("192.0.2.7:1")))
	require.Error(t, f.Check(from("198.51.100.7:1")))

	log := slog.New(slog.DiscardHandler)
	require.NoError(t, f.Reconfigure(ipfilter.Config{Deny: prefixes("192.0.2.0/24"), Logger: log}))
	require.Error(t, f.Check(from("192.0.2.7:1")))
}
