package gateway_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAThousandServicesAreChangedWithoutAPause(t *testing.T) {
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - name: s%d\n    url: UPSTREAM\n    routes: [{name: r%d, paths: [/p%d/]}]\n    plugins: [{name: rate-limiting, config: {second: 5}}]\n", i, i, i)
	}
	begin := time.Now()
	e := start(t, text.String())
	loaded := time.Since(begin)
	begin = time.Now()
	require.Equal(t, 201, e.form("POST", "/services/s7/plugins", "name", "cors", "config.origins", "https://a.example").status)
	changed := time.Since(begin)
	t.Logf("1000 services loaded in %v, one change in %v", loaded, changed)
	assert.Less(t, loaded, 3*time.Minute) // most of it may be what else runs here
	assert.Less(t, changed, time.Minute)
	assert.Equal(t, 200, e.get("/p999/x").status)
}

// large is 10 000 consumers with a key and a group each, 300 of them with a plugin of
// their own, and 3000 routes with three plugins each.
func large() string {
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n- name: b\n  url: UPSTREAM\n  routes:\n")
	for i := range 3000 {
		fmt.Fprintf(&text, "  - name: r%d\n    paths: [/p%d/]\n    plugins:\n    - {name: key-auth, instance_name: keys-%d}\n"+
			"    - {name: rate-limiting, instance_name: limit-%d, config: {minute: 9}}\n"+
			"    - {name: cors, config: {origins: [\"https://a.example\"]}}\n", i, i, i, i)
	}
	text.WriteString("consumers:\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "- username: c%d\n  keyauth_credentials: [{key: \"a-key-of-a-consumer-%06d\"}]\n  acls: [{group: g%d}]\n", i, i, i%10)
		if i < 300 {
			text.WriteString("  plugins: [{name: rate-limiting, config: {minute: 7}}]\n")
		}
	}
	return text.String()
}

func TestAChangeCostsWhatItChanges(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("RAMPART_BARS=1 measures it")
	}
	e := start(t, large())
	best := func(f func()) time.Duration {
		least := time.Hour
		for range 7 {
			begin := time.Now()
			f()
			least = min(least, time.Since(begin))
		}
		return least
	}
	text, err := os.ReadFile(e.file)
	require.NoError(t, err)
	read := best(func() {
		g, err := gateway.New(gateway.Config{File: e.file, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.NoError(t, g.Close())
	})
	t.Logf("%d MB read and checked in %v", len(text)>>20, read)
	assert.Less(t, read, time.Second)
	n := 0
	for _, c := range []struct{ path, field string }{
		{"/services/b", "retries"},
		{"/routes/r7", "regex_priority"},
		{"/plugins/limit-7", "config.minute"},
		{"/consumers/c7", "custom_id"},
	} {
		took := best(func() {
			n++
			r := e.form("PATCH", c.path, c.field, fmt.Sprint(10+n))
			require.Equal(t, 200, r.status, r.body)
		})
		t.Logf("PATCH %s: %v", c.path, took)
		assert.Less(t, took, 50*time.Millisecond, c.path)
	}
	took := best(func() {
		n++
		r := e.form("POST", "/consumers/c7/key-auth", "key", fmt.Sprintf("another-key-of-c7-%d", n))
		require.Equal(t, 201, r.status, r.body)
	})
	t.Logf("a new key: %v", took)
	assert.Less(t, took, 50*time.Millisecond)
	r := e.get("/p2999/x", "apikey: a-key-of-a-consumer-000299")
	assert.Equal(t, 200, r.status)
	assert.Contains(t, r.header.Get("Ratelimit-Policy"), "q=7", "the consumer's own limit")
}
