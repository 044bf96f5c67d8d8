package headers_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
)

// What a socket's program says of the scheme is believed there only: the same server may
// have a TCP listener beside it.
func TestUnixSocketIsBelievedOnASocketOnly(t *testing.T) {
	for _, tt := range []struct {
		network  string
		believed bool
		want     headers.Action
		set      string
	}{
		{"unix", true, headers.Serve, ""},
		{"unix", false, headers.RefuseInsecure, "peer=unix set=Proxies.UnixSocket"},
		{"tcp", true, headers.RefuseInsecure, `peer=10.0.0.5 set="Proxies.Prefixes or Proxies.Hops"`},
	} {
		var log strings.Builder
		h, err := headers.New(headers.Config{
			AllowedHosts: []string{"example.com"}, Proxies: rampart.Proxies{UnixSocket: tt.believed},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, err)
		var local net.Addr = &net.UnixAddr{Name: "/s", Net: "unix"}
		peer := "@"
		if tt.network == "tcp" {
			local, peer = &net.TCPAddr{}, "10.0.0.5:1"
		}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), http.MethodGet, "http://example.com/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-Proto", "https")
		v, _ := h.Check(r)
		assert.Equal(t, tt.want, v.Action, tt)
		h.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if tt.set == "" {
			assert.Empty(t, log.String())
		} else {
			assert.Contains(t, log.String(), tt.set)
		}
		if tt.network == "unix" { // another refusal names the peer, too
			log.Reset()
			r.Host = "evil.example"
			h.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			assert.Contains(t, log.String(), "event=malicious_host")
			assert.Contains(t, log.String(), "peer=unix")
		}
	}
}
