// Package logtest collects what a test's layers log.
package logtest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// Records collects log lines as JSON objects.
type Records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (rs *Records) Write(b []byte) (int, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.buf.Write(b)
}

// String returns the lines so far.
func (rs *Records) String() string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.buf.String()
}

// Logger returns a logger that writes to rs.
func (rs *Records) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(rs, nil)) }

// All returns the records so far.
func (rs *Records) All(t testing.TB) []map[string]any {
	t.Helper()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(rs.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// Total adds up what the records of one event count.
func Total[E ~string](rs []map[string]any, event E) int {
	sum := 0
	for _, r := range rs {
		if r["event"] != string(event) {
			continue
		}
		if n, ok := r["count"].(float64); ok {
			sum += int(n)
		} else {
			sum++
		}
	}
	return sum
}
