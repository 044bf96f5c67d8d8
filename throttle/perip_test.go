package throttle_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func TestPerIPLimitsEachAddress(t *testing.T) {
	limit, err := throttle.PerIP("2/hour")
	require.NoError(t, err)
	clients, err := server.NewClientIP(server.ClientIPConfig{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
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
