package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheAppAndItsSessionWorkAndOtherSitesCannotUseThem(t *testing.T) {
	h, err := service()
	require.NoError(t, err)
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	client := srv.Client()
	client.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	ask := func(method, path, site string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", site)
		resp, err := client.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Len(t, resp.Header["Content-Security-Policy"], 1)
		return resp, string(body)
	}
	for _, tt := range []struct {
		path, cache, body string
		status            int
	}{
		{"/", "no-cache", `<div id="app">`, http.StatusOK},
		{"/notes/7", "no-cache", `<div id="app">`, http.StatusOK},
		{"/assets/index-B7x1a9Qf.js", "public, max-age=31536000, immutable", "fetch", http.StatusOK},
		{"/assets/index-old.js", "", "404", http.StatusNotFound},
		{"/api/nothing", "", "404", http.StatusNotFound},
		{"/api/me", "no-store", "not_authenticated", http.StatusUnauthorized},
	} {
		resp, body := ask(http.MethodGet, tt.path, "same-origin")
		assert.Equal(t, tt.status, resp.StatusCode, tt.path)
		assert.Equal(t, tt.cache, resp.Header.Get("Cache-Control"), tt.path)
		assert.Contains(t, body, tt.body, tt.path)
	}

	resp, body := ask(http.MethodPost, "/api/login", "cross-site")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Contains(t, body, "csrf_failed")
	assert.Empty(t, resp.Header.Get("Set-Cookie"))

	resp, _ = ask(http.MethodPost, "/api/login", "same-origin")
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	cookie := resp.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-session=", "Secure", "HttpOnly", "SameSite=Strict"} {
		assert.Contains(t, cookie, part)
	}
	_, body = ask(http.MethodGet, "/api/me", "same-origin")
	assert.Equal(t, "Ada\n", body)
}
