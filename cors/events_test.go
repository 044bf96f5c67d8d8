package cors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eventLog collects log records.
type eventLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *eventLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *eventLog) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.MessageKey || a.Key == "client_ip" || a.Key == "layer" {
			return slog.Attr{}
		}
		return a
	}}))
}

func (l *eventLog) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		all = append(all, m)
	}
	return all
}

func TestEvents(t *testing.T) {
	tests := []struct {
		desc   string
		method string
		lines  lines
		want   []map[string]any
	}{
		{"allowed", "GET", lines{"Origin", "https://app.example.com"}, nil},
		{"no Origin", "GET", nil, nil},
		{"granted preflight", "OPTIONS", asks("https://app.example.com", "PUT", ""), nil},
		{"denied origin", "GET", lines{"Origin", "https://evil.example"}, []map[string]any{{
			"level": "WARN", "event": "malicious_cors", "origin": "https://evil.example", "reason": "origin_not_allowed",
			"value": "https://evil.example", "kind": "actual", "method": "GET", "path": "/",
		}}},
		{"denied origin, preflight", "OPTIONS", asks("https://evil.example", "PUT", ""), []map[string]any{{
			"level": "WARN", "event": "malicious_cors", "origin": "https://evil.example", "reason": "origin_not_allowed",
			"value": "https://evil.example", "kind": "preflight", "method": "OPTIONS", "path": "/",
		}}},
		{"malformed origin cannot forge a line", "GET", lines{"Origin", "https://a\nlevel=INFO"}, []map[string]any{{
			"level": "WARN", "event": "malicious_cors", "origin": "", "reason": "origin_malformed",
			"value": `https://a\nlevel=INFO`, "kind": "actual", "method": "GET", "path": "/",
		}}},
		{"method", "OPTIONS", asks("https://app.example.com", "PURGE", ""), []map[string]any{{
			"level": "INFO", "event": "cors_preflight_refused", "origin": "https://app.example.com", "reason": "method_not_allowed",
			"value": "PURGE", "kind": "preflight", "method": "OPTIONS", "path": "/",
		}}},
		{"header", "OPTIONS", asks("https://app.example.com", "PUT", "x-other"), []map[string]any{{
			"level": "INFO", "event": "cors_preflight_refused", "origin": "https://app.example.com", "reason": "header_not_allowed",
			"value": "x-other", "kind": "preflight", "method": "OPTIONS", "path": "/",
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			log := new(eventLog)
			cfg := full()
			cfg.Logger = log.logger()
			serve(mustNew(t, cfg), tt.lines.request(t, tt.method))
			assert.Equal(t, tt.want, log.all(t))
		})
	}
}

func TestRepeatsOfAnOriginAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(eventLog)
		cfg := full()
		cfg.Logger = log.logger()
		c := mustNew(t, cfg)
		const each = 50
		for i := range each {
			serve(c, lines{"Origin", "https://evil.example"}.request(t, "GET"))
			serve(c, lines{"Origin", fmt.Sprintf("https://%d#", i)}.request(t, "GET"))
			require.NoError(t, c.Reconfigure(cfg)) // keeps what is pending
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		sums := map[any]int{}
		records := log.all(t)
		for _, r := range records {
			n, ok := r["count"].(float64)
			if !ok {
				n = 1
			}
			sums[r["reason"]] += int(n)
		}
		assert.Equal(t, map[any]int{"origin_not_allowed": each, "origin_malformed": each}, sums)
		assert.Len(t, records, 4)
	})
}
