package session_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/session"
)

var _ session.Claimer = (*people)(nil)

// ownClaims returns the claims of a token that are an application's.
func ownClaims(t *testing.T, text string) map[string]any {
	t.Helper()
	all := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(payload(t, text)), &all))
	for _, name := range []string{"token_type", "exp", "iat", "jti", "user_id", "sid", "auth_time"} {
		delete(all, name)
	}
	return all
}

func TestAClaimersClaimsAreInTheRefreshTokenIfAskedFor(t *testing.T) {
	f := newFixture(t, func(c *session.Config) { c.ClaimsInRefresh = true })
	f.users.claims = map[string]any{"scope": "a", "plan": "gold"}
	pair, err := f.Issue(t.Context(), "1", map[string]any{"tenant": "x", "plan": "silver"})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"scope": "a", "plan": "gold", "tenant": "x"}, ownClaims(t, pair.Access))
	assert.Equal(t, map[string]any{"scope": "a", "plan": "silver", "tenant": "x", "fresh_claims": []any{"scope"}}, ownClaims(t, pair.Refresh), "a claim of Issue stays")

	t.Run("what it says anew takes effect", func(t *testing.T) {
		f.users.claims = map[string]any{"scope": "b", "more": true}
		pair, err = f.Refresh(t.Context(), pair.Refresh)
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"scope": "b", "more": true, "plan": "silver", "tenant": "x"}, ownClaims(t, pair.Access))
		assert.Equal(t, map[string]any{"scope": "b", "more": true, "plan": "silver", "tenant": "x", "fresh_claims": []any{"more", "scope"}}, ownClaims(t, pair.Refresh))
	})
	t.Run("what it no longer says is gone", func(t *testing.T) {
		f.users.claims = nil
		pair, err = f.Refresh(t.Context(), pair.Refresh)
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"plan": "silver", "tenant": "x"}, ownClaims(t, pair.Access))
		assert.Equal(t, map[string]any{"plan": "silver", "tenant": "x"}, ownClaims(t, pair.Refresh))
	})
	t.Run("the list of them is the service's own", func(t *testing.T) {
		_, err := f.Issue(t.Context(), "1", map[string]any{"fresh_claims": []string{"tenant"}})
		assert.ErrorContains(t, err, "is set by the service")
	})
}

func TestAClaimersClaimsAreInAccessTokensOnlyUnlessAskedFor(t *testing.T) {
	f := newFixture(t)
	f.users.claims = map[string]any{"scope": "a"}
	pair, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"scope": "a"}, ownClaims(t, pair.Access))
	assert.Empty(t, ownClaims(t, pair.Refresh))
}
