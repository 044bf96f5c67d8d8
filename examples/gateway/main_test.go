package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnEmbeddedGatewayIsConfiguredByItsAdminAPI(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer up.Close()
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, w)
		_ = w.Close()
		done <- err
	}()
	lines := bufio.NewReader(r)
	listens := func(who string) string {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		addr, ok := strings.CutPrefix(strings.TrimSpace(line), who+" listens on ")
		require.True(t, ok, line)
		return "http://" + addr
	}
	proxy, admin := listens("Proxy"), listens("Admin API")
	log := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(lines)
		log <- string(text)
	}()
	for _, call := range []struct{ path, form string }{
		{"/services", "name=s&url=" + url.QueryEscape(up.URL)},
		{"/services/s/routes", "paths=/"},
	} {
		resp, err := http.Post(admin+call.path, "application/x-www-form-urlencoded", strings.NewReader(call.form))
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, 201, resp.StatusCode)
	}
	resp, err := http.Get(proxy + "/x")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, "hello", string(text))
	stop()
	require.NoError(t, <-done)
	assert.Contains(t, <-log, `"path":"/x","status":200`)
}

func TestWhatIsWrongKeepsItFromStarting(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(bad, []byte("_format_version: \"3.0\"\nservice: []\n"), 0o600))
	for says, args := range map[string][]string{
		"unknown field (services?)": {"-config", bad},
		"no such file":              {"-config", bad + ".none"},
		"flag provided":             {"-colour"},
		"address 1:2:3":             {"-addr", "1:2:3"},
		"address 4:5:6":             {"-addr", "127.0.0.1:0", "-admin", "4:5:6"},
	} {
		assert.ErrorContains(t, run(t.Context(), args, io.Discard), says)
	}
}
