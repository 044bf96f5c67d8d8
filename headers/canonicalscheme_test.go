package headers_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// A proxy that ends TLS and is not believed: the client is on https already.
func TestTheCanonicalRedirectLeadsNobodyFromHTTPSToHTTP(t *testing.T) {
	h, err := headers.New(headers.Config{AllowedHosts: []string{"example.com", "www.example.com"}, CanonicalHost: "example.com", DangerouslyAllowHTTP: true})
	require.NoError(t, err)
	for proto, want := range map[string]headers.Action{"https": headers.Serve, "http": headers.RedirectHost} {
		r := httptest.NewRequest(http.MethodGet, "http://www.example.com/", nil)
		r.Header.Set("X-Forwarded-Proto", proto)
		v, err := h.Check(r)
		require.NoError(t, err)
		assert.Equal(t, want, v.Action, proto)
	}
}
