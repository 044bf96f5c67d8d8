package main

import (
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

// TestTheRunbookTellsTheTruth runs the commands of docs/incident-response.md in
// their order, in one shell, against a server with default limits on which "case
// 7" has happened, and compares what they print.
func TestTheRunbookTellsTheTruth(t *testing.T) {
	needCurl(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "incident-response.md"))
	require.NoError(t, err)

	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-trusted-proxies", "127.0.0.0/8")
	p.behindProxy = true
	subject, session, key := p.incident()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.log"), []byte(p.stderr.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(`header = "X-Forwarded-Proto: https"`), 0o600))

	// What the document has from another server.
	own := strings.NewReplacer("https://api.example.com", p.url, `"1"`, `"`+subject+`"`, "subject=1", "subject="+subject,
		"BTBAQQUI3CQ3QL7USDVYW4E7XM", session, "0VbtDsX0fJTRorZL", key)
	commands, want := consoleBlocks(own.Replace(string(text)))
	require.Greater(t, len(commands), 25, "does the pattern still fit the document?")
	shell := exec.Command("bash")
	shell.Dir, shell.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	shell.Stdin = strings.NewReader(demoPassword + "\n")
	for i, got := range inOneShell(t, shell, commands) {
		assert.Regexp(t, pattern(want[i]), masked(got), commands[i])
	}
}

// incident is what the runbook's commands find: guessing from two addresses, a
// forger, log-ins that succeeded, a session, and API keys of that subject.
func (p *process) incident() (subject, session, key string) {
	const attacker = "X-Forwarded-For: 203.0.113.7"
	for i := range 12 {
		from := attacker
		if i%4 == 3 {
			from = "X-Forwarded-For: 198.51.100.23"
		}
		require.Equal(p.t, 401, p.post("/api/token/", `{"username":"bob","password":"guess"}`, from).status)
	}
	forged := bearer("eyJhbGciOiJIUzI1NiJ9.e30.AAAA")
	for range 9 {
		require.Equal(p.t, 401, p.do("GET", "/api/secure/", "", attacker, forged).status)
	}
	a := p.post("/api/token/", `{"username":"alice","password":"`+demoPassword+`"}`, attacker)
	require.Equal(p.t, 200, a.status, a.body)
	access := a.field(p.t, "access")
	session = claim(p.t, access, "sid")
	for range 4 {
		made := p.post("/api/keys/", `{"name":"crm"}`, bearer(access))
		require.Equal(p.t, 201, made.status, made.body)
		key = made.field(p.t, "id")
	}
	operator := p.operator()
	require.Eventually(p.t, func() bool { // what is folded is written within a second
		metrics := p.do("GET", "/api/ops/metrics/", "", operator).body
		return strings.Contains(metrics, `{event="authn_login_fail",layer="auth/session"} 12`) && strings.Contains(metrics, `reason="bad_signature"} 9`)
	}, 30*time.Second, 50*time.Millisecond)
	return claim(p.t, access, "user_id"), session, key
}

// consoleBlocks returns the commands of a document, and what it says that each prints.
func consoleBlocks(text string) (commands, prints []string) {
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				commands, prints = append(commands, strings.TrimSpace(command)), append(prints, "")
				continue
			}
			prints[len(prints)-1] += line
		}
	}
	return commands, prints
}

// inOneShell runs the commands and returns what each printed.
func inOneShell(t *testing.T, shell *exec.Cmd, commands []string) []string {
	t.Helper()
	// A body without a line break would run into the next output.
	const mark = "\n--\n"
	shell.Args = append(shell.Args, "-c", strings.Join(append(commands, ""), "\nprintf '\\n--\\n'\n"))
	out, err := shell.CombinedOutput()
	require.NoError(t, err, string(out))
	prints := strings.Split(string(out), mark)
	require.Len(t, prints, len(commands)+1, string(out))
	return prints[:len(commands)]
}

// masks replace what no two runs have in common.
var masks = []struct{ what, by string }{
	{`\d{4}-\d\d-\d\dT[\d:.]+Z`, "TIME"},
	{`"kid":"s-[a-z0-9]+"`, `"kid":"ID"`},
	{`[0-9a-f]{14}-[a-z2-7]{10}`, "ORDER"},
	{`"id":"[a-z2-7]{12}","version":"[^"]*"`, `"id":"ID","version":"V"`},
	{`"seq":\d+`, `"seq":N`},
	{`"device":"[^"]*"`, `"device":"D"`},
	{`"actor":"\d+"`, `"actor":"ID"`},
	{`"key":"[0-9a-f]{16}"`, `"key":"ID"`},
	{`(?m)^\d+( |$)`, "N$1"}, // counts of who, and of wc
	{`(?m)\} \d+$`, "} N"},   // of metrics
	// How far the re-encryption has come.
	{`,"columns":\{[^}]*\}?[^}]*\}\}`, ""},
	{`"running":(true|false)`, `"running":BOOL`},
}

func masked(text string) string {
	for _, m := range masks {
		text = regexp.MustCompile(m.what).ReplaceAllString(text, m.by)
	}
	return strings.TrimSpace(text)
}

// pattern matches what a document shows; "…" stands for anything.
func pattern(shown string) string {
	return `\A` + strings.ReplaceAll(regexp.QuoteMeta(masked(shown)), "…", "(?s:.*)") + `\z`
}

func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "curl") {
			t.Fatal("curl is required here but not found")
		}
		t.Skip("SKIPPED: no curl: install it to check the commands of the documents")
	}
}
