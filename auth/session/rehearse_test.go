package session_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

func TestAListOfScopesIsWrittenAsTheClaimIs(t *testing.T) {
	for _, list := range []any{[]string{"a", "b:c"}, []any{"a", "b:c"}, "a b:c"} {
		f := newFixture(t)
		f.users.claims = map[string]any{"scope": list, "roles": []string{"x"}}
		access, refresh := login(t, f)
		tok, err := f.v.Verify(t.Context(), access, auth.Access)
		require.NoError(t, err)
		assert.True(t, tok.HasScope("a") && tok.HasScope("b:c"))
		assert.Contains(t, payload(t, access), `"roles":["x"],"scope":"a b:c"`)
		_, err = f.Refresh(t.Context(), refresh)
		require.NoError(t, err)

		pair, err := f.Issue(t.Context(), "1", map[string]any{"scope": list})
		require.NoError(t, err)
		pair, err = f.Refresh(t.Context(), pair.Refresh)
		require.NoError(t, err)
		_, err = f.v.Verify(t.Context(), pair.Access, auth.Access)
		assert.NoError(t, err)
	}
}

// TestNoTokenIsMadeThatTheVerifierRefuses: its owner could log in and would get 401
// for every request.
func TestNoTokenIsMadeThatTheVerifierRefuses(t *testing.T) {
	for desc, claims := range map[string]map[string]any{
		"a scope that is a number":    {"scope": 5},
		"a scope with a gap":          {"scope": []string{"a b"}},
		"an empty scope in a list":    {"scope": []string{"a", ""}},
		"a list of scopes with a gap": {"scopes": []string{"a b"}},
		"scopes that are a number":    {"scopes": 5},
	} {
		f := newFixture(t)
		_, err := f.Issue(t.Context(), "1", claims)
		assert.ErrorContains(t, err, "session: the verifier would refuse a token with these claims: auth: token refused: bad_claims", desc)

		_, refresh := login(t, f)
		f.users.claims = claims
		_, err = f.Refresh(t.Context(), refresh)
		require.ErrorContains(t, err, "would refuse", desc)
		assert.NotErrorAs(t, err, new(*auth.TokenError), "no token of the client is to blame")
		assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueHandler(), goodLogin).Code)
		assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueSlidingHandler(), goodLogin).Code)
		assert.Contains(t, f.log.String(), "would refuse", "the log says why")
		left, err := f.Sessions(t.Context(), "1")
		require.NoError(t, err)
		assert.Len(t, left, 1, "no session without tokens")

		f.users.claims = nil
		_, err = f.Refresh(t.Context(), refresh)
		assert.NoError(t, err, "the refresh token was not used up")
	}
}

// plainUsers is a session.Users that adds no claims.
type plainUsers struct{ session.Users }

func TestClaimsOfIssueAreRehearsedWithoutAClaimerToo(t *testing.T) {
	f := newFixture(t, func(c *session.Config) { c.Users = plainUsers{c.Users} })
	_, err := f.Issue(t.Context(), "1", map[string]any{"scope": 5})
	assert.ErrorContains(t, err, "would refuse")
	pair, err := f.Issue(t.Context(), "1", map[string]any{"scope": []string{"a", "b"}})
	require.NoError(t, err)
	assert.Contains(t, payload(t, pair.Access), `"scope":"a b"`)
}

// TestClaimsThatAClaimerHidesAreRehearsedToo: the refresh token has them.
func TestClaimsThatAClaimerHidesAreRehearsedToo(t *testing.T) {
	f := newFixture(t)
	f.users.claims = map[string]any{"scope": "a"}
	_, err := f.Issue(t.Context(), "1", map[string]any{"scope": 5})
	assert.ErrorContains(t, err, "would refuse")
}

func TestClaimsAreRehearsedAsTheRealTokenIs(t *testing.T) {
	f := newFixture(t, func(c *session.Config) {
		c.Tokens.HeaderTypes, c.Tokens.Issuer, c.Tokens.Audiences, c.Tokens.SubjectClaim = []string{"at+jwt"}, "https://a.example", []string{"api"}, "sub"
	})
	pair, err := f.Issue(t.Context(), "alice", map[string]any{"scope": "a"})
	require.NoError(t, err)
	_, err = f.v.Verify(t.Context(), pair.Access, auth.Access)
	assert.NoError(t, err)
}

// TestAClaimThatEveryTokenMustHave is no access token's alone: without it in the refresh
// token a session would end at its first refresh.
func TestAClaimThatEveryTokenMustHave(t *testing.T) {
	tenants := func(c *session.Config) { c.Tokens.Claims = map[string][]string{"tenant": {"a"}} }
	f := newFixture(t, tenants)
	pair, err := f.Issue(t.Context(), "1", map[string]any{"tenant": "a"})
	require.NoError(t, err)
	_, err = f.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	_, err = f.Issue(t.Context(), "1", nil)
	require.ErrorContains(t, err, "see VerifierConfig.Claims")

	f.users.claims = map[string]any{"tenant": "a"}
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueHandler(), goodLogin).Code)
	assert.Contains(t, f.log.String(), "see VerifierConfig.Claims")

	f = newFixture(t, tenants, func(c *session.Config) { c.Users = plainUsers{c.Users} })
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueSlidingHandler(), goodLogin).Code)
}
