package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTextOfAClientCannotForgeALogLine(t *testing.T) {
	for _, s := range []string{"", "plain", `a"b\c`, "a\nb\x00\x1b[31m", "caf\u00e9 \u202e", "\xff", strings.Repeat("x", 5000)} {
		line := quoted(nil, s)
		for _, c := range line {
			assert.True(t, c >= ' ' && c <= '~', "%q", line)
		}
		var back string
		require.NoError(t, json.Unmarshal(line, &back), "%q", line)
		assert.LessOrEqual(t, len(line), 6*maxText+2)
	}
}
