package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheUpstreamSeesWhatWeSayAndClientsSeeOurHeaders(t *testing.T) {
	var got http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.Header().Set("Content-Security-Policy", "default-src *")
		w.Header().Set("X-Frame-Options", "ALLOWALL")
		w.Header().Set("Strict-Transport-Security", "max-age=0")
		w.Header().Set("X-Request-Id", "theirs")
		w.Header().Set("Server", "upstream/1.0")
		fmt.Fprint(w, "hello")
	}))
	target, err := url.Parse(upstream.URL)
	require.NoError(t, err)
	h, err := service(target)
	require.NoError(t, err)
	front := httptest.NewTLSServer(h)
	defer front.Close()
	ask := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
		require.NoError(t, err)
		for name, value := range map[string]string{
			"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "Forwarded": "for=203.0.113.9", "X-Real-Ip": "203.0.113.9",
			"X-User": "admin", "X-Request-Id": "forged", "Authorization": "Bearer secret", "Cookie": "a=secret",
			"Connection": "X-Forwarded-For",
		} {
			r.Header.Set(name, value)
		}
		resp, err := front.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}

	resp := ask()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "Strict-Transport-Security", "X-Request-Id", "Ratelimit"} {
		assert.Len(t, resp.Header[name], 1, name)
	}
	assert.Equal(t, "SAMEORIGIN", resp.Header.Get("X-Frame-Options"))
	assert.NotContains(t, resp.Header.Get("Content-Security-Policy"), "*")
	assert.NotEqual(t, "max-age=0", resp.Header.Get("Strict-Transport-Security"))
	assert.Empty(t, resp.Header.Get("Server"))
	assert.Equal(t, "127.0.0.1", got.Get("X-Forwarded-For"))
	assert.Equal(t, "https", got.Get("X-Forwarded-Proto"))
	assert.Equal(t, front.Listener.Addr().String(), got.Get("X-Forwarded-Host"))
	assert.Equal(t, resp.Header.Get("X-Request-Id"), got.Get("X-Request-Id"))
	for _, name := range []string{"Forwarded", "X-Real-Ip", "X-User", "Authorization", "Cookie"} {
		assert.Empty(t, got.Get(name), name)
	}

	upstream.Close()
	resp = ask()
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.Len(t, resp.Header["Content-Security-Policy"], 1)
}
