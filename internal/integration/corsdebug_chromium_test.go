package integration_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
)

func TestChromiumsConsoleTellsWhyAPreflightIsRefusedInDebug(t *testing.T) {
	layers := map[string]*cors.CORS{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "app.") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>page</title>`)
			return
		}
		layers[r.URL.Path].Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if r.URL.Path != "/granted" {
				t.Errorf("%s %s: the browser goes on", r.Method, r.URL)
			}
		})).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p := port(t, srv.Listener.Addr())
	for path, cfg := range map[string]cors.Config{
		"/granted": {}, "/plain": {}, "/debug": {Debug: true}, "/anywhere": {Debug: true, DangerouslyDebugAnywhere: true},
		"/credentials": {Debug: true, Credentials: true, DangerouslyAllowInsecureOrigins: true},
	} {
		cfg.Origins = []string{"http://app.localhost:" + p}
		cfg.Methods, cfg.RequestHeaders = []string{"DELETE"}, []string{"Authorization"}
		cfg.Logger = slog.New(slog.DiscardHandler)
		layer, err := cors.New(cfg)
		require.NoError(t, err)
		layers[path] = layer
	}
	ctx := browser(t)
	var (
		mu    sync.Mutex
		lines []string
	)
	listening := make(chan struct{})
	go func() {
		close(listening)
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return // the browser is closed
			}
			mu.Lock()
			lines = append(lines, message.String())
			mu.Unlock()
		}
	}()
	<-listening
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("http://app.localhost:"+p+"/")))
	said := func(url, method, headers, credentials string) (text string) {
		t.Helper()
		require.Eventually(t, func() bool { // the console's lines come on their own
			mu.Lock()
			lines = nil
			mu.Unlock()
			_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(
				`fetch(%q, {method: %q, headers: %s, credentials: %q}).then(() => true, () => new Promise(done => setTimeout(done, 300, false)))`,
				url, method, headers, credentials), chromedp.EvalAwaitPromise))
			require.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			text = strings.Join(lines, "\n")
			return text != ""
		}, 20*time.Second, time.Millisecond)
		return text
	}
	const (
		method = "Method PUT is not allowed by Access-Control-Allow-Methods in preflight response"
		header = "Request header field x-other is not allowed by Access-Control-Allow-Headers in preflight response"
		hidden = "No 'Access-Control-Allow-Origin' header"
		local  = "http://api.localhost:"
		away   = "http://api.test:"
	)
	for _, tt := range []struct {
		server, path, method, headers, credentials, want string
	}{
		{local, "/plain", "PUT", `{}`, "omit", hidden},
		{local, "/debug", "PUT", `{}`, "omit", method},
		{local, "/debug", "DELETE", `{"X-Other": "1", "Authorization": "Bearer x"}`, "omit", header},
		{local, "/credentials", "PUT", `{}`, "include", method},
		{local, "/credentials", "GET", `{"X-Other": "1", "Authorization": "Bearer x"}`, "include", header},
		{away, "/debug", "PUT", `{}`, "omit", hidden},
		{away, "/anywhere", "PUT", `{}`, "omit", method},
	} {
		got := said(tt.server+p+tt.path, tt.method, tt.headers, tt.credentials)
		assert.Contains(t, got, tt.want, "%+v", tt)
		if tt.want != hidden {
			assert.NotContains(t, got, hidden, "%+v", tt)
		}
	}
	granted, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(
		`fetch(%q, {method: 'DELETE', headers: {Authorization: 'Bearer x'}}).then(() => true, () => false)`, local+p+"/granted"), chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	assert.True(t, granted)
}
