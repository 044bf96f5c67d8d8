package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheDocumentTellsTheTruth runs the commands of "The three calls" in
// docs/gateway.md, with the gateway in front of examples/api, and looks for the
// lines that the document shows in what they print.
func TestTheDocumentTellsTheTruth(t *testing.T) {
	for _, tool := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "curl") {
				t.Fatal(tool + " is required here but not found")
			}
			t.Skip("SKIPPED: no " + tool + ": install it to check the commands of docs/gateway.md")
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway.md"))
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "## The three calls")
	section, _, _ = strings.Cut(section, "`?save=true`")

	api := startAPI(t, "-hosts", "your-django-app:*", "-trusted-proxies", "127.0.0.1/32")
	p := startProcess(t, nil, "-resolve", "your-django-app="+api)
	ports := strings.NewReplacer("http://127.0.0.1:8000", p.proxy, "http://127.0.0.1:8001", p.admin,
		"https://localhost:8443", strings.Replace("https://"+p.tls, "127.0.0.1", "localhost", 1))
	dir := t.TempDir()
	run := func(command string) string {
		cmd := exec.Command("bash", "-c", ports.Replace(command))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		return string(out)
	}
	// A command may go on below its first line; what it prints follows it.
	all := regexp.MustCompile(`(?m)^    \$ ((?:.*\\\n)*.*)\n((?:    [^$\n].*\n)*)`).FindAllStringSubmatch(section, -1)
	first := slices.IndexFunc(all, func(m []string) bool { return strings.HasPrefix(m[1], "seq ") })
	require.Equal(t, 8, first, "the calls before the six at once: does the pattern still fit the document?")
	for i, m := range all[:first] {
		out := run(m[1])
		assert.Empty(t, missing(m[2], out), "%s\n%s", m[1], out)
		if strings.Contains(m[1], "127.0.0.1:8001") {
			assert.Contains(t, out, `"id":`, m[1])
		}
		if i == 1 {
			warning := regexp.MustCompile(`"warnings":\[.*?\]`).FindString(out)
			require.NotEmpty(t, warning)
			assert.Contains(t, squeezed(section), squeezed(warning))
		}
	}
	var lacks []string
	for range 20 { // six processes and one more within a second: a busy machine may need another try
		time.Sleep(1100 * time.Millisecond)
		lacks = nil
		for _, m := range all[first:] {
			lacks = append(lacks, missing(m[2], run(m[1]))...)
		}
		if len(lacks) == 0 {
			break
		}
	}
	assert.Empty(t, lacks)
}

// missing are the lines shown that the output does not have. White space and
// line breaks of a document are for its readers.
func missing(shown, output string) (lines []string) {
	output = squeezed(output)
	for line := range strings.Lines(shown) {
		if line = squeezed(line); line != "…" && !strings.Contains(output, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

// startAPI runs examples/api and returns its address.
func startAPI(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "api")
	build := exec.Command("go", "build", "-o", name, "./api")
	build.Dir = filepath.Join("..", "..", "..", "examples")
	build.Env = append(os.Environ(), "GOWORK=off") // it is in a module of its own
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(name, append([]string{"-addr", "127.0.0.1:0", "-db", filepath.Join(dir, "ecolaura.db")}, args...)...)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if addr, ok := strings.CutPrefix(line, "Listening on http://"); ok {
			go func() { _, _ = io.Copy(io.Discard, lines) }()
			return strings.Fields(addr)[0]
		}
	}
}
