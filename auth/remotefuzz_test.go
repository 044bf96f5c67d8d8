package auth_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

// FuzzParseSet: what is taken of a set are keys that can be told apart, and that
// are the same once more if they are published in our own words; and what is
// skipped has a reason.
func FuzzParseSet(f *testing.F) {
	for _, shape := range shapes {
		f.Add(fillShape(f, shape.set))
	}
	algs := []auth.Algorithm{auth.RS256, auth.PS256, auth.ES256, auth.ES384, auth.EdDSA}
	f.Fuzz(func(t *testing.T, text string) {
		keys, skipped, err := jose.ParseSet(algs, text)
		require.Equal(t, err == nil, len(keys) > 0)
		for _, s := range skipped {
			assert.NotEmpty(t, s.Reason)
		}
		for i, k := range keys {
			require.True(t, jose.Made(k))
			assert.False(t, jose.CanSign(k) || jose.Symmetric(k))
			assert.Contains(t, algs, k.Algorithm())
			assert.NotEmpty(t, k.ID())
			assert.False(t, slices.ContainsFunc(keys[:i], func(o *auth.Key) bool { return o.ID() == k.ID() && o.Algorithm() == k.Algorithm() }))
		}
		if err != nil {
			return
		}
		published, err := jose.PublicSet(keys)
		require.NoError(t, err)
		again, skipped, err := jose.ParseSet(algs, string(published))
		require.NoError(t, err)
		require.Empty(t, skipped)
		require.Len(t, again, len(keys))
		for i, k := range keys {
			assert.True(t, again[i].ID() == k.ID() && again[i].Algorithm() == k.Algorithm() && jose.SamePublic(again[i], k))
		}
	})
}
