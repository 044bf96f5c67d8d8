package integration_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
)

// TestAServiceOfExpressThatIsSetWellGivesNoFinding: the suite is for services in any
// language.
func TestAServiceOfExpressThatIsSetWellGivesNoFinding(t *testing.T) {
	modules, err := filepath.Abs("../../.tools/node_modules")
	require.NoError(t, err)
	node, err := exec.LookPath("node")
	if _, gone := os.Stat(filepath.Join(modules, "express-rate-limit")); err != nil || gone != nil {
		missing(t, "node", "run `make services`, which needs npm")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, "testdata/express/server.js")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)

	findings, err := attack.Scan(t.Context(), attack.Target{
		URL: strings.TrimSpace(url), Public: "/public", Secure: "/secure", Guesses: 21, Origins: []string{"https://www.example.com"},
		Alice: attack.Account{Name: "alice", Password: "alice's password"}, Bob: attack.Account{Name: "bob", Password: "bob's password"},
		Limits: []attack.Limit{{Name: "public", Request: attack.Request{Path: "/public"}, Count: 100}},
	})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

// TestADjangoBehindNginxThatIsSetWellGivesNoFinding: as `check --deploy` has it, with
// what Django leaves to a proxy added there.
func TestADjangoBehindNginxThatIsSetWellGivesNoFinding(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("SKIPPED: 20 s: RAMPART_BARS=1 runs it")
	}
	_, database := djangoBackends()[0].open(t)
	t.Setenv("HARD", "1")
	d := startDjango(t, database, true)
	for _, name := range []string{"alice", "bob"} {
		require.Equal(t, 200, ask(t, nil, d.url, http.MethodPost, "/manage/", "", map[string]any{"do": "users", "users": [][]string{{name, "argon2"}}}).code)
	}
	front := nginx(t, []string{"127.0.0.1:1", "127.0.0.1:1", strings.TrimPrefix(d.url, "http://")}, strings.NewReplacer(
		"server 127.0.0.1:1 fail_timeout=2s;", "",
		"client_max_body_size 1m;", `client_max_body_size 1m;
	server_tokens off;
	large_client_header_buffers 4 16k;
	if ($host != 127.0.0.1) { return 400; }
	add_header Content-Security-Policy "default-src 'none'; frame-ancestors 'none'" always;
	add_header Cache-Control no-store always;
	add_header X-Content-Type-Options nosniff always;
	add_header Referrer-Policy no-referrer always;
	proxy_hide_header X-Content-Type-Options;
	proxy_hide_header Referrer-Policy;
	add_header Strict-Transport-Security "max-age=31536000" always;
	location = /manage/ { return 404; }`))
	roots := front.client.Transport.(*http.Transport).TLSClientConfig //nolint:forcetypeassert // it is ours
	findings, err := attack.Scan(t.Context(), attack.Target{
		URL: front.url, TLS: roots, Secure: "/api/secure/", Refresh: "/api/token/refresh/", Logout: "/api/token/blacklist/", Guesses: 61,
		Alice: attack.Account{Name: "alice", Password: "pw alice"}, Bob: attack.Account{Name: "bob", Password: "pw bob"},
	})
	require.NoError(t, err)
	assert.Empty(t, findings)
}
