package plugin_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// costs are configurations of the plugins that edit, check, log or keep.
func costs(dir string) map[string]string {
	return map[string]string{
		"request-transformer": `{remove: {headers: [x-a], querystring: [a]}, rename: {headers: ["x-b:x-c"]}, replace: {uri: "/find/$(query_params.q)"},
			add: {headers: ["x-d:$(headers.x-b)-$(query_params.q)"], querystring: ["z:1"], body: ["p:$(query_params.q)"]}}`,
		"bot-detection": `{deny: ["(?i)^curl/", "evil"]}`,
		"basic-auth":    `{}`,
		"usage-plan":    `{rate: 2000000000, quota_day: 2000000000, quota_month: 2000000000, window: calendar}`, // as a plan
		"proxy-cache":   `{strategy: memory}`,
		"file-log":      `{path: "` + filepath.Join(dir, "log") + `"}`,
		"http-log":      `{http_endpoint: "http://127.0.0.1:1", queue: {max_batch_size: 1000, max_entries: 1000}}`,
	}
}

// serving returns a function that sends one request through a plugin.
func serving(t testing.TB, name, config string) func() {
	t.Helper()
	f, err := plugin.Types().Parse([]byte("_format_version: '3.0'\nplugins: [{name: " + name + ", config: " + config + "}]\n" +
		"consumers: [{username: alice, basicauth_credentials: [{username: alice, password: alice's}]}]\n"))
	require.NoError(t, err)
	passwords, err := plugin.NewPasswords()
	require.NoError(t, err)
	require.NoError(t, passwords.Hash(f.BasicAuths))
	log := slog.New(slog.DiscardHandler)
	env := &plugin.Env{
		File: f, Log: log, Events: rampart.NewReporter(log, "gateway"), Metrics: plugin.NewMetrics(),
		Passwords: passwords, Cache: plugin.NewCache(), Issuers: plugin.NewIssuers(),
	}
	require.NoError(t, env.Prepare(nil).Err())
	layer, err := plugin.New(f.Plugins[0], env)
	require.NoError(t, err)
	t.Cleanup(layer.Close)
	h := layer.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write([]byte(`{"a":1}`))
	}))
	return func() {
		method, body := "POST", `{"name":"alice","price":12}`
		if name == "proxy-cache" {
			method, body = "GET", ""
		}
		r := httptest.NewRequest(method, "/api/x?a=1&q=v", strings.NewReader(body))
		r.Header = http.Header{
			"Content-Type": {"application/json"}, "X-A": {"a"}, "X-B": {"b"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"},
			"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
		}
		if name == "basic-auth" {
			r.SetBasicAuth("alice", "alice's")
		}
		c := &call.Call{Start: time.Now(), Path: "/api/x", Client: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(call.With(r.Context(), c)))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		for _, k := range c.Counts {
			k.Count(c, w.Code, 7, time.Millisecond)
		}
	}
}

func BenchmarkPlugins(b *testing.B) {
	for name, config := range costs(b.TempDir()) {
		b.Run(name, func(b *testing.B) {
			serve := serving(b, name, config)
			for b.Loop() {
				serve()
			}
		})
	}
}

func TestAPluginTakesATenthOfAMillisecondAtMost(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("RAMPART_BARS=1 measures it")
	}
	for name, config := range costs(t.TempDir()) {
		serve := serving(t, name, config)
		serve()
		const n = 20000
		spent := cputime.Spent(func() {
			for range n {
				serve()
			}
		}) / n
		t.Logf("%s: %v of a processor for a request", name, spent)
		assert.Less(t, spent, 100*time.Microsecond, name)
	}
}
