package cors_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/ecolaura/rampart/cors"
)

// A name may have others' names below it, though it is not theirs: the buckets of
// everybody below amazonaws.com.
func TestAPatternAboveAPublicSuffixIsRefused(t *testing.T) {
	text, err := os.ReadFile("parents.go")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "`\n")
	list, _, _ := strings.Cut(rest, "`")
	parents := strings.Fields(list)
	require.Greater(t, len(parents), 300)
	require.Contains(t, parents, "amazonaws.com")
	assert.Contains(t, string(text), "// "+publicsuffix.List.String()+"\n", "x/net has another list: run scripts/suffixparents.sh")
	for _, parent := range parents {
		suffix, _ := publicsuffix.PublicSuffix(parent)
		if strings.Contains(parent, ".") {
			assert.NotEqual(t, parent, suffix)
		}
		for _, origin := range []string{"https://*." + parent, "https://*." + parent + ".:*"} {
			_, err := cors.New(cors.Config{Origins: []string{origin}, Credentials: true})
			assert.ErrorContains(t, err, "public_suffix", origin)
		}
		_, err := cors.New(cors.Config{Origins: []string{"https://" + parent, "https://*.our-own-shop." + suffix}, Credentials: true})
		assert.NoError(t, err, parent)
	}
}
