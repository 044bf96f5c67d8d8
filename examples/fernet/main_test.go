package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// do runs the command with text as its input.
func do(t *testing.T, text string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(args, strings.NewReader(text), &out)
	return out.String(), err
}

func must(t *testing.T, text string, args ...string) string {
	t.Helper()
	out, err := do(t, text, args...)
	require.NoError(t, err)
	return out
}

func TestATextComesBackAndAKeyIsChanged(t *testing.T) {
	a, b := strings.TrimSpace(must(t, "", "generate")), strings.TrimSpace(must(t, "", "generate"))
	assert.NotEqual(t, a, b)
	t.Setenv("FERNET_KEYS", a)
	token := must(t, "two\nlines\n", "encrypt")
	assert.Equal(t, "two\nlines\n", must(t, token, "decrypt"))
	assert.Equal(t, "two\nlines\n", must(t, token, "decrypt", "-ttl", "1h"))

	t.Setenv("FERNET_KEYS", "")
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(b+"\n"+a+"\n"), 0o600))
	t.Setenv("FERNET_KEYS_FILE", file)
	rotated := must(t, token+"\n"+token, "rotate")
	assert.NotContains(t, rotated, token)
	require.NoError(t, os.WriteFile(file, []byte(b), 0o600))
	lines := strings.Split(rotated, "\n")
	require.Len(t, lines, 4)
	assert.Equal(t, []string{"", ""}, []string{lines[1], lines[3]})
	assert.Equal(t, "two\nlines\n", must(t, lines[0], "decrypt"))

	out, err := do(t, lines[0]+"\n"+token, "rotate")
	require.EqualError(t, err, "line 2: fernet: invalid token")
	assert.Empty(t, out, "nothing is written that is not whole")
}

func TestWhatCannotBeDoneIsRefusedWithoutRepeatingIt(t *testing.T) {
	key := strings.TrimSpace(must(t, "", "generate"))
	for _, args := range [][]string{{}, {"nosuch"}, {"encrypt", key}, {"decrypt", "-key", key}, {"decrypt", "-key=" + key}, {"generate", "-ttl", "1h"}, {key}} {
		t.Setenv("FERNET_KEYS", key)
		out, err := do(t, "text", args...)
		require.Error(t, err, args)
		assert.Empty(t, out)
		assert.NotContains(t, err.Error(), key)
	}
	_, err := do(t, "junk", "decrypt")
	require.EqualError(t, err, "fernet: invalid token")
	token := must(t, "text", "encrypt")
	t.Setenv("FERNET_KEYS", "junk")
	_, err = do(t, token, "decrypt")
	require.EqualError(t, err, "fernet.KeyringFromEnv.FERNET_KEYS[0]: not_a_key: "+
		"a key is the 44 characters of base64url, with their =, of 32 random bytes, as GenerateKey and Python's Fernet.generate_key make it")
	t.Setenv("FERNET_KEYS", "")
	_, err = do(t, token, "decrypt")
	require.EqualError(t, err, "fernet.KeyringFromEnv.FERNET_KEYS: missing: give one key at least, the one that encrypts first")
}

func TestAFileThatIsTooLargeIsRefusedAndNotCut(t *testing.T) {
	t.Setenv("FERNET_KEYS", strings.TrimSpace(must(t, "", "generate")))
	text := strings.Repeat("\n", maxInput+1)
	for _, command := range []string{"encrypt", "decrypt", "rotate"} {
		t.Run(command, func(t *testing.T) {
			out, err := do(t, text, command)
			require.EqualError(t, err, "more than 64 MiB")
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
	assert.Equal(t, "from Python", must(t, token, "decrypt"))
	token = must(t, "to Python", "encrypt")
	assert.Equal(t, "to Python", python(`sys.stdout.write(Fernet(os.environ["FERNET_KEYS"]).decrypt(sys.stdin.read().strip()).decode())`, token))
	t.Setenv("FERNET_KEYS", strings.TrimSpace(must(t, "", "generate"))+","+key)
	rotated := must(t, token, "rotate")
	assert.Equal(t, "to Python", python(`sys.stdout.write(Fernet(os.environ["FERNET_KEYS"].split(",")[0]).decrypt(sys.stdin.read().strip()).decode())`, rotated))
}
