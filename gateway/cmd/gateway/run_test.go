package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// env is an environment of these variables.
func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := vars[name]
		return text, ok
	}
}

var noEnv = env(nil)

func TestRunServesUntilItIsStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	var out, bad logBuffer
	status := make(chan int)
	go func() {
		status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-config", kongFile, "-access-log", filepath.Join(dir, "log")}, env(map[string]string{
			"GATEWAY_ADMIN": "127.0.0.1:0", "GATEWAY_TLS_ADDR": "127.0.0.1:0", "GATEWAY_RESOLVE": "a=127.0.0.1,b=127.0.0.1:1",
		}), &out, &bad)
	}()
	require.Eventually(t, func() bool { return strings.Count(out.String(), "listens on") == 3 }, 10*time.Second, 10*time.Millisecond)
	first, _, _ := strings.Cut(out.String(), "\n")
	_, addr, _ := strings.Cut(first, "Proxy listens on ")
	assert.Equal(t, 410, do(t, "GET", "http://"+addr+"/legacy/v0", "").status)
	stop()
	assert.Equal(t, 0, <-status, bad.String())
	assert.Contains(t, out.String(), "Stopped")
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), `"status":410`)
}

func TestRunSaysWhyItCannotServe(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "kong.yml")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	taken := upstream(t).Listener.Addr().String()
	redis := file("_format_version: \"3.0\"\nplugins: [{name: rate-limiting, config: {second: 5, policy: redis}}]\n")
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"help":                      {[]string{"-h"}, 0, "-config"},
		"a flag":                    {[]string{"-colour"}, 2, "colour"},
		"an argument":               {[]string{"x"}, 2, "unexpected"},
		"no file":                   {[]string{"-config", "none.yml"}, 2, "none.yml"},
		"a bad file":                {[]string{"-config", file("x: 1")}, 2, "unknown field"},
		"a file without redis":      {[]string{"-config", redis}, 2, "needs -redis"},
		"checked without it":        {[]string{"-check", "-config", redis}, 2, "needs -redis"},
		"a good file, checked":      {[]string{"-check", "-config", redis, "-redis", "redis://127.0.0.1:1"}, 0, ""},
		"an address in use":         {[]string{"-addr", "127.0.0.1:0", "-admin", taken}, 1, "in use"},
		"no log":                    {[]string{"-access-log", "/none/log"}, 1, "/none/log"},
		"no place for a database":   {[]string{"-addr", "127.0.0.1:0", "-db", "/none/x.db"}, 1, "/none/x.db"},
		"no URL of a database":      {[]string{"-addr", "127.0.0.1:0", "-db", "postgres://u:secret%zz@h/d"}, 1, "-db: not a URL"},
		"a database that is away":   {[]string{"-addr", "127.0.0.1:0", "-db", "postgres://u:secret@127.0.0.1:1/d"}, 1, "127.0.0.1:1"},
		"a URL that is none":        {[]string{"-redis", "http://x"}, 1, "-redis"},
		"a name without one":        {[]string{"-resolve", "=127.0.0.1"}, 2, "name=address"},
		"an address that is a name": {[]string{"-resolve", "a=b"}, 2, "name=address"},
	} {
		var out, bad logBuffer
		assert.Equal(t, c.status, run(t.Context(), c.args, noEnv, &out, &bad), name+bad.String())
		assert.Contains(t, bad.String(), c.says, name)
		assert.NotContains(t, bad.String(), "secret", name)
	}
	_, err := parse(nil, env(map[string]string{"GATEWAY_CHECK": "perhaps", "GATEWAY_ADMIN_TOKEN": "short"}), &logBuffer{})
	require.ErrorContains(t, err, "GATEWAY_CHECK: invalid")
	require.ErrorContains(t, err, "GATEWAY_ADMIN_TOKEN: shorter")
	assert.NotContains(t, err.Error(), "perhaps")
	s, err := parse([]string{"-admin", "0.0.0.0:1"}, env(map[string]string{"GATEWAY_ADMIN_TOKEN": "a-token-that-is-long"}), &logBuffer{})
	require.NoError(t, err)
	assert.Equal(t, "a-token-that-is-long", s.adminToken)
}

func TestAllThatIsWrongIsListedInTheOrderOfItsLines(t *testing.T) {
	cert, key := expired(t, "localhost")
	name := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(name, []byte(`_format_version: "3.0"
services:
  - name: a
    url: http://a
    color: red
    routes:
      - name: r
        paths: ["~/(?!x)"]
        plugins:
          - name: usage-plan
            config: {rate: 1, burst: 2147483647}
    plugins:
      - name: rate-limiting
        config:
          secnd: 5
          policy: redis
      - name: cors
        config:
          origins: [nonsense]
plugins:
  - name: ip-restriction
    config:
      deny: ["::ffff:10.0.0.0/104"]
certificates:
  - cert: `+strconv.Quote(cert)+`
    key: `+strconv.Quote(key)+`
consumers:
  - username: alice
    custom_id: "7"
    keyauth_credentials: [{key: alice-key-0123456789}]
    jwt_secrets: [{key: alice-issuer, secret: 0123456789abcdef0123456789abcdef}]
    acls: [{group: staff}]
  - username: bob
    keyauth_credentials: [{key: bob-key-0123456789abc}]
  - username: nobody
    keyauth_credentials: [{key: short}]
    jwt_secrets: [{key: k, secret: short}]
`), 0o600))
	for _, args := range [][]string{{"-check", "-config", name}, {"-addr", "127.0.0.1:0", "-config", name}} {
		var out, bad logBuffer
		assert.Equal(t, 2, run(t.Context(), args, noEnv, &out, &bad))
		assert.Contains(t, bad.String(), `:19: services[0].plugins[1].config.origins: invalid "nonsense": an origin is scheme://host[:port] in lower case`)
		assert.Contains(t, bad.String(), `:25: certificates[0].cert: not valid now: the certificate is good from `)
		var places []string
		for line := range strings.Lines(bad.String()) {
			at, _, _ := strings.Cut(strings.TrimPrefix(line, name+":"), ": ")
			rest := strings.SplitN(line, ": ", 3)
			places = append(places, at+" "+rest[1])
		}
		assert.Equal(t, []string{
			"5 services[0].color",
			"8 services[0].routes[0].paths[0]",
			"11 services[0].routes[0].plugins[0].config",
			"15 services[0].plugins[0].config.secnd",
			"15 services[0].plugins[0].config",
			"16 services[0].plugins[0].config.policy",
			"19 services[0].plugins[1].config.origins",
			"23 plugins[0].config",
			"25 certificates[0].cert",
			"36 consumers[2].keyauth_credentials[0].key",
			"37 consumers[2].jwt_secrets[0].secret",
		}, places)
	}
}

func TestAVariableThatIsEmptyTurnsOff(t *testing.T) {
	s, err := parse(nil, env(map[string]string{
		"GATEWAY_ADMIN": "", "GATEWAY_ACCESS_LOG": "", "GATEWAY_TLS_ADDR": "", "GATEWAY_REDIS": "", "GATEWAY_TRUSTED_PROXIES": "", "GATEWAY_RESOLVE": "",
	}), &logBuffer{})
	require.NoError(t, err)
	assert.Empty(t, s.admin)
	assert.Empty(t, s.accessLog)
	_, err = parse(nil, env(map[string]string{"GATEWAY_ADDR": "", "GATEWAY_ADMIN_TOKEN": ""}), &logBuffer{})
	require.ErrorContains(t, err, "-addr: not host:port")
	require.ErrorContains(t, err, "GATEWAY_ADMIN_TOKEN: shorter", "somebody wanted one")
	s, err = parse([]string{"-admin", "127.0.0.1:1"}, env(map[string]string{"GATEWAY_ADMIN": ""}), &logBuffer{})
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:1", s.admin, "a flag goes before")
}

func TestACheckPrintsNotes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(name, []byte("_format_version: '2.1'\n_workspace: blue\nservices: [{name: s, url: 'http://s'}]\n"), 0o600))
	var out, bad logBuffer
	assert.Equal(t, 0, run(context.Background(), []string{"-check", "-config", name}, noEnv, &out, &bad))
	assert.Equal(t, name+":2: note: _workspace: it tells decK where to send this document, and this gateway nothing\n"+
		name+": good: 1 services, 0 routes, 0 plugins, 0 consumers.\n", out.String())
	assert.Empty(t, bad.String())
}
