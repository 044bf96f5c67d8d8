package auth_test

import (
	"context"
	"crypto"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

func TestACachedTokenIsTheSameOne(t *testing.T) {
	raw := token()
	for size, same := range map[int]bool{0: true, 1: true, -1: false} {
		v := newVerifier(t, func(c *auth.VerifierConfig) { c.CacheSize = size })
		first, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		second, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		assert.Equal(t, same, first == second, "CacheSize %d", size)
	}
}

func TestACachedTokenIsStillChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revoked := false
		v := newVerifier(t, func(c *auth.VerifierConfig) {
			c.Revoked = func(context.Context, *auth.Token) (bool, error) { return revoked, nil }
		})
		raw := token()
		_, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), raw, auth.Refresh)
		assert.Equal(t, auth.TokenWrongKind, reason(err), "kind")
		revoked = true
		_, err = v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err), "revocation")
		revoked = false
		time.Sleep(time.Hour)
		_, err = v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenExpired, reason(err), "expiry")
		_, err = v.Verify(t.Context(), raw[:len(raw)-2]+"AA", auth.Access)
		assert.NotEqual(t, rampart.Denial(""), reason(err), "another signature")
	})
}

func TestAKeyThatIsGoneTakesItsCachedTokensAlong(t *testing.T) {
	keys, err := auth.NewKeys(newKey(t))
	require.NoError(t, err)
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = keys })
	raw := token()
	_, err = v.Verify(t.Context(), raw, auth.Access)
	require.NoError(t, err)
	other, err := auth.NewKey(auth.HS256, "", []byte("another secret of at least 32 bytes"))
	require.NoError(t, err)
	require.NoError(t, keys.Rotate(other, 0))
	_, err = v.Verify(t.Context(), raw, auth.Access)
	assert.Equal(t, auth.TokenSignature, reason(err))
}

func TestTheCacheIsBoundedAndKeepsGoodTokens(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.CacheSize = 1000 })
	good := token()
	first, err := v.Verify(t.Context(), good, auth.Access)
	require.NoError(t, err)
	for i := range 10_000 {
		_, err := v.Verify(t.Context(), fmt.Sprintf("%s%05d", good[:len(good)-4], i), auth.Access)
		require.Error(t, err)
	}
	again, err := v.Verify(t.Context(), good, auth.Access)
	require.NoError(t, err)
	assert.Same(t, first, again, "bad tokens evict nothing")

	// What is used stays while others come and go; what is not, goes.
	idle, err := v.Verify(t.Context(), token("jti", `"idle"`), auth.Access)
	require.NoError(t, err)
	idleRaw := token("jti", `"idle"`)
	for i := range 5000 {
		_, err := v.Verify(t.Context(), token("jti", fmt.Sprintf(`"%d"`, i)), auth.Access)
		require.NoError(t, err)
		again, err = v.Verify(t.Context(), good, auth.Access)
		require.NoError(t, err)
		require.Same(t, first, again)
	}
	again, err = v.Verify(t.Context(), idleRaw, auth.Access)
	require.NoError(t, err)
	assert.NotSame(t, idle, again)
}

func TestRefreshTokensAreNotCached(t *testing.T) {
	v := newVerifier(t)
	raw := token("token_type", `"refresh"`)
	first, err := v.Verify(t.Context(), raw, auth.Refresh)
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), raw, auth.Refresh)
	require.NoError(t, err)
	assert.NotSame(t, first, second)
}

// TestNoHandlerCanChangeWhatTheNextRequestSees is run under the race detector.
func TestNoHandlerCanChangeWhatTheNextRequestSees(t *testing.T) {
	v := newVerifier(t)
	raw := forge(crypto.SHA256, plainHeader, claims("list", `[1,2,3]`, "scope", `"a b"`))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				tok, err := v.Verify(context.Background(), raw, auth.Access)
				if !assert.NoError(t, err) {
					return
				}
				var list []int
				assert.NoError(t, tok.Claim("list", &list))
				assert.Equal(t, []int{1, 2, 3}, list)
				list[0] = 9
				assert.True(t, tok.HasScope("b"))
			}
		})
	}
	wg.Wait()
}
