package throttle_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func TestPerIPLimitsEachAddress(t *testing.T) {
	limit, err := throttle.PerIP("2/hour")
	require.NoError(t, err)
	clients, err := server.NewClientIP(rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	require.NoError(t, err)
	served := 0
	limited := limit.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	ask := func(h http.Handler, peer, forwarded string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer + ":1"
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, tt := range []struct {
		desc, peer, forwarded string
		handler               http.Handler
		want                  int
	}{
		{"the first of a peer", "192.0.2.1", "", limited, 200},
		{"a header that nobody vouches for changes nothing", "192.0.2.1", "192.0.2.9", limited, 200},
		{"the third of a peer", "192.0.2.1", "", limited, 429},
		{"another peer", "192.0.2.2", "", limited, 200},
		{"behind a proxy, the same client", "10.0.0.1", "192.0.2.1", clients.Handler(limited), 429},
		{"behind a proxy, a new client", "10.0.0.1", "192.0.2.3", clients.Handler(limited), 200},
	} {
		assert.Equal(t, tt.want, ask(tt.handler, tt.peer, tt.forwarded), tt.desc)
	}
	assert.Equal(t, 4, served)
}

func TestPerIPSaysWhatIsWrongWithItsRate(t *testing.T) {
	for _, rate := range []string{"", "100", "5/moon", "0/s", "10/s burst=20"} {
		_, err := throttle.PerIP(rate)
		assert.Error(t, err, rate)
	}
}

func ExamplePerIP() {
	limit, err := throttle.PerIP("1/hour")
	if err != nil {
		fmt.Println(err)
		return
	}
	h := limit.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 204
	// 429
}

func TestPerCallerCountsCallersWhateverTheirAddressAndStrangersByAddress(t *testing.T) {
	l, err := throttle.PerCaller("2/hour", "1/hour")
	require.NoError(t, err)
	ask := func(c rampart.Caller, addr string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = addr + ":1"
		if c != (rampart.Caller{}) {
			r = r.WithContext(rampart.WithCaller(r.Context(), c))
		}
		w := httptest.NewRecorder()
		l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		return w.Code
	}
	alice := rampart.Caller{Kind: rampart.KindToken, Subject: "alice"}
	foreign := rampart.Caller{Kind: rampart.KindToken, Issuer: "https://other.example", Subject: "alice"}
	assert.Equal(t, 200, ask(alice, "192.0.2.1"))
	assert.Equal(t, 200, ask(alice, "192.0.2.2"))
	assert.Equal(t, 429, ask(alice, "192.0.2.3"))
	assert.Equal(t, 200, ask(foreign, "192.0.2.3"), "another issuer's alice is another caller")
	assert.Equal(t, 200, ask(rampart.Caller{}, "192.0.2.1"))
	assert.Equal(t, 429, ask(rampart.Caller{}, "192.0.2.1"))
	assert.Equal(t, 200, ask(rampart.Caller{}, "192.0.2.9"))

	_, err = throttle.PerCaller("2/moon", "x")
	assert.ErrorContains(t, err, `"2/moon"`)
	assert.ErrorContains(t, err, `"x"`)
}

func TestWhatCheckRefusesIsWrittenAsTheHandlerWouldWriteIt(t *testing.T) {
	l, err := throttle.PerIP("1/hour")
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, err = l.Check(r)
	require.NoError(t, err)
	_, err = l.Check(r)
	byHand, byLayer := httptest.NewRecorder(), httptest.NewRecorder()
	rampart.WriteError(byHand, err)
	l.Handler(http.NotFoundHandler()).ServeHTTP(byLayer, r)
	assert.Equal(t, 429, byHand.Code)
	assert.Equal(t, byLayer.Body.String(), byHand.Body.String())
	assert.Equal(t, byLayer.Header().Get("Retry-After"), byHand.Header().Get("Retry-After"))

	for reason, want := range map[rampart.Denial]int{throttle.CallerUnknown: 403, throttle.StoreUnavailable: 503, throttle.NotConfigured: 503} {
		w := httptest.NewRecorder()
		rampart.WriteError(w, &throttle.DeniedError{Reason: reason})
		assert.Equal(t, want, w.Code)
		assert.Equal(t, want == 503, w.Header().Get("Retry-After") != "")
	}
}
