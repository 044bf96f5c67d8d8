package integration_test

import (
	"bufio"
	"context"
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
