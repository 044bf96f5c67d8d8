package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fernet runs the command with text as its input.
func (s session) fernet(t *testing.T, text string, args ...string) string {
	t.Helper()
	status, out, errOut := s.do(t, text, append([]string{"fernet"}, args...)...)
	require.Equal(t, exitClean, status, errOut)
	return out
}

func TestATextComesBackAndAKeyIsChanged(t *testing.T) {
	a, b := strings.TrimSpace(session{}.fernet(t, "", "generate")), strings.TrimSpace(session{}.fernet(t, "", "generate"))
	assert.NotEqual(t, a, b)
	t.Setenv("FERNET_KEYS", a)
	token := session{}.fernet(t, "two\nlines\n", "encrypt")
	assert.Equal(t, "two\nlines\n", session{}.fernet(t, token, "decrypt"))
	assert.Equal(t, "two\nlines\n", session{}.fernet(t, token, "decrypt", "-ttl", "1h"))

	t.Setenv("FERNET_KEYS", "")
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(b+"\n"+a+"\n"), 0o600))
	t.Setenv("FERNET_KEYS_FILE", file)
	rotated := session{}.fernet(t, token+"\n"+token, "rotate")
	assert.NotContains(t, rotated, token)
	require.NoError(t, os.WriteFile(file, []byte(b), 0o600))
	lines := strings.Split(rotated, "\n")
	require.Len(t, lines, 4)
	assert.Equal(t, []string{"", ""}, []string{lines[1], lines[3]})
	assert.Equal(t, "two\nlines\n", session{}.fernet(t, lines[0], "decrypt"))

	status, out, errOut := session{}.do(t, lines[0]+"\n"+token, "fernet", "rotate")
	assert.Equal(t, exitError, status)
	assert.Equal(t, "rampart: line 2: fernet: invalid token\n", errOut)
	assert.Empty(t, out, "nothing is written that is not whole")
}

func TestWhatCannotBeDoneIsRefusedWithoutRepeatingIt(t *testing.T) {
	key := strings.TrimSpace(session{}.fernet(t, "", "generate"))
	for _, args := range [][]string{{}, {"nosuch"}, {"encrypt", key}, {"decrypt", "-key", key}, {"decrypt", "-key=" + key}, {"generate", "-ttl", "1h"}, {key}} {
		t.Setenv("FERNET_KEYS", key)
		status, out, errOut := session{}.do(t, "text", append([]string{"fernet"}, args...)...)
		assert.Equal(t, exitError, status, args)
		assert.Empty(t, out, args)
		assert.NotContains(t, errOut, key)
	}
	_, _, errOut := session{}.do(t, "junk", "fernet", "decrypt")
	assert.Equal(t, "rampart: fernet: invalid token\n", errOut)
	token := session{}.fernet(t, "text", "encrypt")
	t.Setenv("FERNET_KEYS", "junk")
	_, _, errOut = session{}.do(t, token, "fernet", "decrypt")
	assert.Contains(t, errOut, "fernet.KeyringFromEnv.FERNET_KEYS[0]: not_a_key: ")
	t.Setenv("FERNET_KEYS", "")
	_, _, errOut = session{}.do(t, token, "fernet", "decrypt")
	assert.Contains(t, errOut, "fernet.KeyringFromEnv.FERNET_KEYS: missing: ")
}

func TestAFileThatIsTooLargeIsRefusedAndNotCut(t *testing.T) {
	t.Setenv("FERNET_KEYS", strings.TrimSpace(session{}.fernet(t, "", "generate")))
	text := strings.Repeat("\n", maxInput+1)
	for _, command := range []string{"encrypt", "decrypt", "rotate"} {
		t.Run(command, func(t *testing.T) {
			status, out, errOut := session{}.do(t, text, "fernet", command)
			assert.Equal(t, exitError, status)
			assert.Equal(t, "rampart: more than 64 MiB\n", errOut)
			assert.Empty(t, out, "nothing is written that is not whole")
		})
	}
}

func TestPythonAndTheCommandOpenEachOthersTokens(t *testing.T) {
	interpreter := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} { // Debian's package belongs to the latter
		if exec.CommandContext(t.Context(), name, "-c", "import cryptography.fernet").Run() == nil {
			interpreter = name
			break
		}
	}
	if interpreter == "" {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "python") {
			t.Fatal("RAMPART_REQUIRE names python, but there is no python3-cryptography")
		}
		t.Skip("SKIPPED: no python3-cryptography: run `make services`")
	}
	python := func(script, in string) string {
		cmd := exec.CommandContext(t.Context(), interpreter, "-c", "import os, sys\nfrom cryptography.fernet import Fernet\n"+script)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	key := strings.TrimSpace(python("print(Fernet.generate_key().decode())", ""))
	t.Setenv("FERNET_KEYS", key)
	token := python(`print(Fernet(os.environ["FERNET_KEYS"]).encrypt(sys.stdin.buffer.read()).decode())`, "from Python")
	assert.Equal(t, "from Python", session{}.fernet(t, token, "decrypt"))
	token = session{}.fernet(t, "to Python", "encrypt")
	assert.Equal(t, "to Python", python(`sys.stdout.write(Fernet(os.environ["FERNET_KEYS"]).decrypt(sys.stdin.read().strip()).decode())`, token))
	t.Setenv("FERNET_KEYS", strings.TrimSpace(session{}.fernet(t, "", "generate"))+","+key)
	rotated := session{}.fernet(t, token, "rotate")
	assert.Equal(t, "to Python", python(`sys.stdout.write(Fernet(os.environ["FERNET_KEYS"].split(",")[0]).decrypt(sys.stdin.read().strip()).decode())`, rotated))
}
