package throttle_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

// tricks returns headers by which a client would like to be somebody else, each
// time; n makes the values fresh.
func tricks(n int) []http.Header {
	v4 := fmt.Sprintf("203.0.%d.%d", n>>8&255, n&255)
	v6 := fmt.Sprintf("2001:db8:%x::%x", n, n)
	var all []http.Header
	add := func(name string, lines ...string) { all = append(all, http.Header{name: lines}) }
	lists := []string{
		v4, v4 + ", 10.0.0.1", "10.0.0.1, " + v4, "10.0.0.2, 10.0.0.1", v4 + "," + v4, " " + v4 + " ", "\t" + v4, v4 + ":80", v6, "[" + v6 + "]", "[" + v6 + "]:443",
		"::ffff:" + v4, "::" + v4, v6 + "%eth0", v4 + ",", "," + v4, ",,,", "", "unknown", "_hidden", "127.0.0.1", "::1", "0.0.0.0", "localhost", "10.0.0.1",
		"0x7f.1", "0127.0.0.1", "2130706433", v4 + "\x00", v4 + "\r\nX-Real-IP: " + v4, "\"" + v4 + "\"", "for=" + v4, strings.Repeat(v4+", ", 500) + v4,
		"10.0.0.1," + strings.Repeat(" ", 2000) + v4, "１９２.0.2.1", "198.51.100.7, " + v4 + ", 198.51.100.7",
	}
	for _, list := range lists {
		add("X-Forwarded-For", list)
	}
	add("X-Forwarded-For", v4, "10.0.0.1")
	add("X-Forwarded-For", "", v4)
	add("x-forwarded-for", v4)
	for _, name := range []string{
		"X_Forwarded_For", "X_forwarded-For", "X-Forwarded_for", "X-Real-Ip", "X_Real_Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip", "X-Client-Ip",
		"X-Cluster-Client-Ip", "X-Forwarded", "Forwarded-For", "X-Originating-Ip", "X-Remote-Ip", "X-Remote-Addr", "Remote-Addr", "Client-Ip", "Via", "X-Envoy-External-Address", "X-Azure-Clientip",
	} {
		add(name, v4)
	}
	for _, f := range []string{
		"for=" + v4, "For=\"" + v4 + ":80\"", "for=\"[" + v6 + "]\"", "for=\"[" + v6 + "]:1\"", "for=unknown", "for=_secret", "for=" + v4 + ", for=10.0.0.1", "for=" + v4 + ";by=10.0.0.1;proto=https",
		"for=\"" + v4, "for=\"" + v4 + "\\\"", "for = " + v4, "for=" + v4 + ";for=10.0.0.1", "by=" + v4, "=" + v4, ";;,;", "for=\"10.0.0.1, for=" + v4 + "\"",
	} {
		add("Forwarded", f)
		all = append(all, http.Header{"Forwarded": {f}, "X-Forwarded-For": {v4}})
	}
	add("Forwarded", "for="+v4, "for=10.0.0.1")
	for _, value := range []string{
		"", " " + v4 + " ", v4 + ":80", v6, "[" + v6 + "]:443", "::ffff:" + v4, v6 + "%eth0", v4 + ", 10.0.0.1", "10.0.0.1, " + v4, "10.0.0.1", "unknown", "\"" + v4 + "\"", v4 + "\x00",
	} {
		add("X-Real-Ip", value)
	}
	add("X-Real-Ip", v4, "10.0.0.1")
	add("X-Real-Ip", "10.0.0.1", v4)
	add("x-real-ip", v4)
	return all
}

// through lets r pass proxies that append who asked them, as nginx does, or, in
// a header of one value, set who asked the first of them.
func through(r *http.Request, header string, proxies ...string) {
	for i, proxy := range proxies {
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		r.RemoteAddr = proxy + ":4711"
		switch header {
		case "X-Real-Ip":
			if i == 0 {
				r.Header[header] = []string{host}
			}
			continue
		case "Forwarded":
			host = "for=" + host
		}
		r.Header[header] = []string{strings.TrimPrefix(strings.Join(append(r.Header[header], host), ", "), ", ")}
	}
}

func TestForwardingTricksChangeNothing(t *testing.T) {
	require.GreaterOrEqual(t, len(tricks(0)), 60)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for desc, tt := range map[string]struct {
		cfg     rampart.Proxies
		proxies []string
	}{
		"no proxy":                     {},
		"no proxy, though some are":    {cfg: rampart.Proxies{Prefixes: trusted}},
		"no proxy, Forwarded":          {cfg: rampart.Proxies{Prefixes: trusted, ClientHeader: "Forwarded"}},
		"no proxy, one value":          {cfg: rampart.Proxies{Prefixes: trusted, ClientHeader: "X-Real-IP"}},
		"one proxy, one value":         {rampart.Proxies{Prefixes: trusted, ClientHeader: "X-Real-IP"}, []string{"10.0.0.1"}},
		"two proxies, one value":       {rampart.Proxies{Prefixes: trusted, ClientHeader: "X-Real-IP"}, []string{"10.0.0.2", "10.0.0.1"}},
		"one by number, one value":     {rampart.Proxies{Hops: 1, ClientHeader: "X-Real-IP"}, []string{"10.0.0.1"}},
		"one proxy by prefix":          {rampart.Proxies{Prefixes: trusted}, []string{"10.0.0.1"}},
		"one proxy by number":          {rampart.Proxies{Hops: 1}, []string{"10.0.0.1"}},
		"one proxy, Forwarded":         {rampart.Proxies{Prefixes: trusted, ClientHeader: "Forwarded"}, []string{"10.0.0.1"}},
		"two proxies by prefix":        {rampart.Proxies{Prefixes: trusted}, []string{"10.0.0.2", "10.0.0.1"}},
		"two proxies by number":        {rampart.Proxies{Hops: 2}, []string{"10.0.0.2", "10.0.0.1"}},
		"two proxies, Forwarded":       {rampart.Proxies{Prefixes: trusted, ClientHeader: "Forwarded"}, []string{"10.0.0.2", "10.0.0.1"}},
		"two by number, Forwarded":     {rampart.Proxies{Hops: 2, ClientHeader: "Forwarded"}, []string{"10.0.0.2", "10.0.0.1"}},
		"one by number, Forwarded too": {rampart.Proxies{Hops: 1, ClientHeader: "Forwarded"}, []string{"10.0.0.1"}},
	} {
		t.Run(desc, func(t *testing.T) {
			ip, err := server.NewClientIP(tt.cfg)
			require.NoError(t, err)
			header := "X-Forwarded-For"
			if tt.cfg.ClientHeader != "" {
				header = http.CanonicalHeaderKey(tt.cfg.ClientHeader)
			}
			p := throttle.Policy{Name: "anon", Rate: perHour(100), Key: throttle.ByIP(ip.Addr)}
			l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{p}})
			passed, sent := 0, 0
			for n := range 10 {
				for _, h := range tricks(n) {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					r.RemoteAddr = "198.51.100.7:4711"
					r.Header = h.Clone()
					through(r, header, tt.proxies...)
					before := r.Header.Clone()
					w, reached := serve(l, r)
					sent++
					if reached {
						passed++
						assert.Equal(t, fmt.Sprintf(`"anon";r=%d;t=3600`, 100-passed), w.Header().Get("RateLimit"), "%q pays for itself", h)
					} else {
						assert.Contains(t, []int{http.StatusTooManyRequests, http.StatusForbidden}, w.Code)
					}
					assert.Equal(t, before, r.Header, "the request is not edited")
				}
			}
			assert.Equal(t, 100, passed, "of %d", sent)

			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = "198.51.100.8:4711"
			through(r, header, tt.proxies...)
			_, reached := serve(l, r)
			assert.True(t, reached, "another client is another")
		})
	}
}

func TestAFloodOfRefusalsIsAFewLogLines(t *testing.T) {
	const refusals = 100_000
	synctest.Test(t, func(t *testing.T) {
		log := new(events)
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}, Logger: log.logger(), Store: throttle.NewMemory(2 * refusals)})
		r := get("192.0.2.1:1")
		h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w := discard{http.Header{}}
		flood := func(pause time.Duration) {
			for i := range refusals {
				r.RemoteAddr = fmt.Sprintf("%d.%d.%d.1:1", 1+i>>16, i>>8&255, i&255)
				time.Sleep(pause)
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		}
		flood(0) // let pass
		flood(time.Second / refusals)
		log.mu.Lock()
		inOneSecond := strings.Count(log.buf.String(), "\n")
		log.mu.Unlock()
		time.Sleep(3 * time.Second)
		sum := 0
		for _, record := range log.named(t, rampart.ExcessRateLimit) {
			n, ok := record["count"].(float64)
			if !ok {
				n = 1
			}
			sum += int(n)
		}
		t.Logf("%d lines", inOneSecond)
		assert.LessOrEqual(t, inOneSecond, 1000)
		assert.Equal(t, refusals, sum, "each is counted")
	})
}

// TestAVictimIsNotLockedOutByOthersGuesses: a log-in limited by account and
// address together, which counts failures only.
func TestAVictimIsNotLockedOutByOthersGuesses(t *testing.T) {
	account := throttle.By("account", func(r *http.Request) string { return r.Header.Get("Account") })
	guesses := throttle.Policy{
		Name: "guesses", Rate: perHour(5), Key: throttle.Joint(account, throttle.ByIP(nil)),
		Refund: func(status int) bool { return status != http.StatusUnauthorized },
	}
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{guesses}})
	logIn := func(addr, password string) int {
		r := get(addr)
		r.Header.Set("Account", "victim")
		w := httptest.NewRecorder()
		l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if password != "right" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})).ServeHTTP(w, r)
		return w.Code
	}
	for range 5 {
		assert.Equal(t, http.StatusUnauthorized, logIn("192.0.2.1:1", "wrong"))
	}
	for i := range 150 {
		for range 7 {
			logIn(fmt.Sprintf("198.51.%d.7:1", i), "wrong")
		}
	}
	assert.Equal(t, http.StatusTooManyRequests, logIn("192.0.2.1:1", "wrong"), "150 other addresses reset nothing")
	for range 20 {
		assert.Equal(t, http.StatusOK, logIn("203.0.113.5:1", "right"))
	}
}
