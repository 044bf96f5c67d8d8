package cors_test

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
)

// mistakes lists what New finds, as "Field: reason: value".
func mistakes(t *testing.T, cfg cors.Config) []string {
	t.Helper()
	c, err := cors.New(cfg)
	if err == nil {
		return nil
	}
	assert.Nil(t, c)
	var list []string
	for m := range rampart.Mistakes(err) {
		assert.Equal(t, "cors.Config", m.Type)
		list = append(list, m.Field+": "+string(m.Reason)+": "+m.Value)
	}
	return list
}

func TestNewReportsEveryMistakeAtOnce(t *testing.T) {
	got := mistakes(t, cors.Config{
		Origins:         []string{"null", "*", "http://app.example.com", "https://*.github.io", "https://A.example"},
		Credentials:     true,
		PrivateNetwork:  true,
		Methods:         []string{"trace", "p t"},
		RequestHeaders:  []string{"Cookie", "X:", "Access-Control-Allow-Origin"},
		ResponseHeaders: []string{"*", "Set-Cookie", "Origin", "ü"},
		MaxAge:          25 * time.Hour,
		PreflightStatus: 302,
	})
	assert.ElementsMatch(t, []string{
		"Origins: null_origin: null",
		"Origins: wildcard_not_alone: *", "Origins: wildcard_with_credentials: *", "Origins: wildcard_with_private_network: *",
		"Origins: insecure_with_credentials: http://app.example.com", "Origins: insecure_with_private_network: http://app.example.com",
		"Origins: public_suffix_with_credentials: https://*.github.io", "Origins: public_suffix_with_private_network: https://*.github.io",
		"Origins: invalid: https://A.example",
		"Methods: forbidden: trace", "Methods: invalid: p t",
		"RequestHeaders: forbidden: Cookie", "RequestHeaders: invalid: X:", "RequestHeaders: pointless: Access-Control-Allow-Origin",
		"ResponseHeaders: wildcard_with_credentials: *", "ResponseHeaders: forbidden: Set-Cookie", "ResponseHeaders: pointless: Origin",
		"ResponseHeaders: invalid: ü",
		"MaxAge: out_of_bounds: 25h0m0s", "PreflightStatus: out_of_bounds: 302",
	}, got)
}

func TestOriginsThatAreNone(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, origin := range []string{
		"", "https://", "https://*", "https://*.", "https://*:8443", "https://*:*", ":*", "://", "*.", "https", "https:", "https:/a.example",
		"https://a.example:*:*", "https://a.example:8443:*", "https://a.example:65536", "https://a.example:443443", "https://a.example:8o",
		"https://.a.example", "https://a..example", "https://" + long + ".example", "https://a." + long, long + "a://a.example", "1a://b", "a_b://c",
		"https://[::1", "https://[::1%25lo]", "https://[fe80::1%eth0]", "https://[::1]a", "https://[]", "https://[1.2.3.4]",
		"https://[0:0:0:0:0:0:0:1]", "https://1.2.3", "https://a.1", "https://a.0x1f", "https://a.0x", "https://1.", "https://1.2.3.4.5",
		"https://*.1.2.3.4", "https://bücher.example", "https://a\x00.example", "https://*." + strings.Repeat("a.", 124) + "aaaa",
	} {
		t.Run(origin, func(t *testing.T) {
			assert.Equal(t, []string{"Origins: invalid: " + origin}, mistakes(t, cors.Config{Origins: []string{origin}}))
		})
	}
}

func TestPunycodeThatNoBrowserSendsIsAMistake(t *testing.T) {
	for origin, valid := range map[string]bool{
		"https://xn--bcher-kva.example":         true,
		"https://*.xn--bcher-kva.example:*":     true,
		"https://my_app.xn--bcher-kva.example.": true,
		"https://xn--e1afmkfd.xn--p1ai":         true,
		"https://xn--fa-hia.de":                 true, // a sharp s, which is not ss
		"https://a--b.example":                  true,
		"https://axn--f.example":                true,
		"https://xn--f":                         false, // does not decode
		"https://xn--":                          false,
		"https://*.xn--f.example":               false,
		"https://app.xn--f.example:*":           false,
		"https://xn--99999999.example":          false, // beyond Unicode
		"https://xn--abc-.example":              false, // plain ASCII
		"https://xn--Bcher-kva.example":         false, // upper case
		"https://xn--bcher-2pa.example":         false, // a capital, of which a browser makes a small letter
		"https://xn--a-ccb.example":             false, // a and its dots apart, not NFC
		"https://xn--im6c.example":              false, // a ligature
		"https://xn--ab-m1t.example":            false, // a joiner out of place
		"https://a.xn--a-zhc.example":           false, // from right to left and back
	} {
		_, err := cors.New(cors.Config{Origins: []string{origin}})
		assert.Equal(t, valid, err == nil, "%s: %v", origin, err)
	}
	_, err := cors.New(cors.Config{Origins: []string{"https://xn--f"}})
	assert.ErrorContains(t, err, `cors.Config.Origins: invalid "https://xn--f": no name has this punycode`)
}

func TestOriginsThatAreSome(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, origin := range []string{
		"https://a", "https://a.", "https://a-b.example", "https://a_b.example", "https://1a.example", "https://0x.example", "https://a.1x",
		"https://a.0xg", "http://a.example:443", "https://a.example:80", "https://a.example:65535", "https://" + label + "." + label,
		strings.Repeat("s", 64) + "://a", "web+app.x-1://a.example", "https://255.255.255.255", "https://[2001:db8::1:0:0:1]",
		"https://*.a", "https://*.a:*", "https://*.a.example:8443", "https://*." + strings.Repeat("a.", 124) + "aaa", "ftp://a:2121",
	} {
		t.Run(origin, func(t *testing.T) {
			assert.Empty(t, mistakes(t, cors.Config{Origins: []string{origin}}))
		})
	}
}

func TestInsecureOriginsAndPublicSuffixes(t *testing.T) {
	tests := []struct {
		origin           string
		insecure, suffix bool
	}{
		{"https://app.example.com", false, false},
		{"http://localhost:3000", false, false},
		{"http://app.localhost", false, false},
		{"http://localhost.:*", false, false},
		{"http://*.localhost:*", false, false},
		{"http://127.9.8.7", false, false},
		{"http://[::1]", false, false},
		{"http://[::2]", true, false},
		{"http://10.0.0.1", true, false},
		{"http://localhost.example", true, false},
		{"https://*.example.com", false, false},
		{"https://*.com.", false, true},
		{"https://*.co.uk:8443", false, true},
		{"https://*.kawasaki.jp", false, true},
		{"https://*.city.kawasaki.jp", false, false},
		{"https://*.compute.amazonaws.com", false, true},
		{"https://*.amazonaws.com", false, true},
		{"chrome-extension://abcdefghijklmnopabcdefghijklmnop", false, false},
		{"moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc", false, false},
		{"gopher://app.example.com", true, false},
		{"https://*.intranet", false, true},
		{"https://*.shop.intranet", false, false},
		{"https://github.io", false, false},
		{"http://*.github.io", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.origin, func(t *testing.T) {
			for _, with := range []string{"credentials", "private_network"} {
				cfg := cors.Config{Origins: []string{tt.origin}, Credentials: with == "credentials", PrivateNetwork: with == "private_network"}
				var want []string
				if tt.insecure {
					want = append(want, "Origins: insecure_with_"+with+": "+tt.origin)
				}
				if tt.suffix {
					want = append(want, "Origins: public_suffix_with_"+with+": "+tt.origin)
				}
				assert.Equal(t, want, mistakes(t, cfg))

				cfg.DangerouslyAllowInsecureOrigins, cfg.DangerouslyAllowPublicSuffixes = true, true
				assert.Empty(t, mistakes(t, cfg))
			}
			assert.Empty(t, mistakes(t, cors.Config{Origins: []string{tt.origin}}), "nothing private to read")
		})
	}
}

func TestExposedHeadersAreSortedAndAWildcardCoversThem(t *testing.T) {
	for want, given := range map[string][]string{
		"Etag, X-Total": {"Content-Type", "x-total", "ETag", "X-Total"},
		"*":             {"X-A", "*", "*"},
	} {
		c := mustNew(t, cors.Config{Origins: []string{"https://a.example"}, ResponseHeaders: given})
		w, _ := serve(c, lines{"Origin", "https://a.example"}.request(t, "GET"))
		assert.Equal(t, want, w.Header().Get("Access-Control-Expose-Headers"))
	}
}

func TestTheGivenConfigDoesNotReachIn(t *testing.T) {
	given := full()
	given.Origins = slices.Clone(given.Origins)
	c := mustNew(t, given)
	for _, list := range [][]string{given.Origins, given.Methods, given.RequestHeaders, given.ResponseHeaders} {
		for i := range list {
			list[i] = "https://evil.example"
		}
	}
	verdict, _ := c.Check(lines{"Origin", "https://evil.example"}.request(t, "GET"))
	assert.False(t, verdict.Allowed)
}

func TestReconfigure(t *testing.T) {
	c := mustNew(t, full())
	allowed := func(origin string) bool {
		verdict, _ := c.Check(lines{"Origin", origin}.request(t, "GET"))
		return verdict.Allowed
	}
	require.Error(t, c.Reconfigure(cors.Config{Origins: []string{"https://new.example", "nonsense"}}))
	assert.True(t, allowed("https://app.example.com"), "on error the old policy stays")
	assert.False(t, allowed("https://new.example"))

	require.NoError(t, c.Reconfigure(cors.Config{Origins: []string{"https://new.example"}, Logger: slog.New(slog.DiscardHandler)}))
	assert.False(t, allowed("https://app.example.com"))
	assert.True(t, allowed("https://new.example"))

	var zero cors.CORS
	require.NoError(t, zero.Reconfigure(full()))
	c = &zero
	assert.True(t, allowed("https://app.example.com"))
}

// Each answer is wholly of one policy: credentials never go to an origin of the
// other.
func TestReconfigureUnderLoad(t *testing.T) {
	open := cors.Config{Origins: []string{"https://open.example"}, Logger: quiet()}
	closed := cors.Config{Origins: []string{"https://closed.example"}, Credentials: true, Logger: quiet()}
	c := mustNew(t, open)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				w, _ := serve(c, lines{"Origin", "https://open.example"}.request(t, http.MethodGet))
				assert.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))
			}
		})
	}
	for i := range 200 {
		assert.NoError(t, c.Reconfigure([]cors.Config{closed, open}[i%2]))
	}
	wg.Wait()
}

func TestConfigIsNotComparable(t *testing.T) {
	assert.False(t, reflect.TypeFor[cors.Config]().Comparable())
}
