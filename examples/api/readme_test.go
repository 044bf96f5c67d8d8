package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheReadmeTellsTheTruth runs the curl lines of the README against a
// started server, in one shell, and compares what they print.
func TestTheReadmeTellsTheTruth(t *testing.T) {
	needCurl(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```console\n.*?```").FindString(string(text))
	require.NotEmpty(t, block)

	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"))
	commands, want := consoleBlocks(strings.ReplaceAll(block, "http://127.0.0.1:8080", p.url))
	for i, got := range inOneShell(t, exec.Command("bash"), commands) {
		assert.Equal(t, strings.TrimSpace(want[i]), strings.TrimSpace(got), commands[i])
	}
}
