package fernet_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// python opens our tokens, writes its own and rotates ours from the old key to
// the new one.
const python = `
import base64, json, sys
from cryptography.fernet import Fernet, MultiFernet
d = json.load(sys.stdin)
old, new = Fernet(d["Old"]), Fernet(d["New"])
text = [old.decrypt(t.encode()) for t in d["Tokens"]]
json.dump({
  "Texts": [base64.b64encode(t).decode() for t in text],
  "Tokens": [new.encrypt(t).decode() for t in text],
  "Rotated": [MultiFernet([new, old]).rotate(t.encode()).decode() for t in d["Tokens"]],
}, sys.stdout)`

func TestPythonOpensOursAndWeOpenPythons(t *testing.T) {
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
	old, next := fernet.GenerateKey(), fernet.GenerateKey()
	c := cipherOf(t, old.Reveal())
	ask := struct {
		Old, New string
		Tokens   []string
	}{Old: old.Reveal(), New: next.Reveal()}
	var texts [][]byte
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		text := make([]byte, i%150*(1+i/190*100)) // the last ones are of more than one piece
		for j := range text {
			text[j] = byte(rnd.Uint32())
		}
		texts = append(texts, text)
		ask.Tokens = append(ask.Tokens, string(c.Encrypt(text)))
	}
	in, err := json.Marshal(ask)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), interpreter, "-c", python)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	require.NoError(t, err)
	var got struct {
		Texts           [][]byte
		Tokens, Rotated []string
	}
	require.NoError(t, json.Unmarshal(out, &got))
	assert.Equal(t, texts, got.Texts)
	c = cipherOf(t, next.Reveal())
	for i, text := range texts {
		for _, token := range []string{got.Tokens[i], got.Rotated[i]} {
			back, err := c.Decrypt([]byte(token))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(text, back))
		}
		ours, changed, err := cipherOf(t, next.Reveal(), old.Reveal()).Rotate([]byte(ask.Tokens[i]))
		require.NoError(t, err)
		assert.True(t, changed)
		mine, err := c.Timestamp(ours)
		require.NoError(t, err)
		theirs, err := c.Timestamp([]byte(got.Rotated[i]))
		require.NoError(t, err)
		assert.Equal(t, theirs, mine)
	}
}
