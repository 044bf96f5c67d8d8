package auth_test

import (
	"crypto"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

// TestAFloodOfJunkLeavesNoTrace sends 1 M distinct tokens that are not good, of
// which each looks different, past a verifier with a small cache.
func TestAFloodOfJunkLeavesNoTrace(t *testing.T) {
	count := 100_000
	if os.Getenv("RAMPART_BARS") != "" {
		count = 1_000_000
	}
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.CacheSize = 512 })
	good := make([]string, 16) // no more than a shard holds in one generation, wherever they fall
	tokens := make([]*auth.Token, len(good))
	for i := range good {
		good[i] = token("jti", fmt.Sprintf(`"good%d"`, i))
		var err error
		tokens[i], err = v.Verify(t.Context(), good[i], auth.Access)
		require.NoError(t, err)
	}
	kept := func() (n int) {
		for i, raw := range good {
			again, err := v.Verify(t.Context(), raw, auth.Access)
			require.NoError(t, err)
			if again == tokens[i] {
				n++
			} else {
				tokens[i] = again
			}
		}
		return n
	}
	require.Equal(t, len(good), kept())

	expired := token("exp", "1000000000")
	junk := func(i int) string {
		switch id := fmt.Sprintf(`"%d"`, i); i % 5 {
		case 0: // forged
			return good[0][:len(good[0])-8] + fmt.Sprintf("%08d", i)
		case 1: // signed by a stranger
			raw := forge(crypto.SHA256, `{"alg":"HS256","kid":`+id+`}`, claims("jti", id))
			return raw[:len(raw)-4] + "AAAA"
		case 2: // signed, but no longer good
			return forge(crypto.SHA256, plainHeader, claims("jti", id, "exp", "1000000000"))
		case 3: // signed, but not for this
			return forge(crypto.SHA256, plainHeader, claims("jti", id, "token_type", `"sliding"`))
		default: // no token at all
			return fmt.Sprintf("%d.%s", i, expired)
		}
	}
	flood := func(from, n int) {
		for i := from; i < from+n; i++ {
			if _, err := v.Verify(t.Context(), junk(i), auth.Access); err == nil {
				t.Fatalf("junk %d passed", i)
			}
		}
	}
	flood(0, count/10)
	before := heap()
	flood(count/10, count-count/10)
	grown := int64(heap()) - int64(before)
	still := kept() // once: asking caches them again
	t.Logf("%d distinct: the heap has grown by %d bytes, %d of %d cached tokens are still there", count, grown, still, len(good))
	assert.Less(t, grown, int64(256<<10))
	assert.Equal(t, len(good), still, "junk evicts no good token")
}

// heap returns what is held after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
