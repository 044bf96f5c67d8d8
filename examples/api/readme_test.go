package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheReadmeTellsTheTruth runs the curl lines of the README against a
// started server, in one shell, and compares what they print.
func TestTheReadmeTellsTheTruth(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "curl") {
			t.Fatal("curl is required here but not found")
		}
		t.Skip("SKIPPED: no curl: install it to check the README's commands")
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```console\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, block)

	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"))
	var script, want strings.Builder
	for line := range strings.Lines(string(block[1])) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script.WriteString(command)
			// A body without a line break would run into the next output.
			script.WriteString("printf '\\n--\\n'\n")
			want.WriteString("--\n")
			continue
		}
		want.WriteString(line)
	}
	cmd := exec.Command("bash", "-c", strings.ReplaceAll(script.String(), "http://127.0.0.1:8080", p.url))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, outputs(want.String(), true), outputs(string(out), false))
}

// outputs splits what the commands printed; in the README the mark stands
// before an output, in the run after it.
func outputs(text string, before bool) []string {
	parts := strings.Split(text, "--\n")
	if before {
		parts = parts[1:]
	} else {
		parts = parts[:len(parts)-1]
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
