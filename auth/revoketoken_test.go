package auth_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

func TestOneForeignTokenIsRevokedOnAllInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &line{}
		here, there := newRevocations(t, feed), newRevocations(t, feed)
		v := newVerifier(t, func(c *auth.VerifierConfig) { c.Revoked = there.Revoked })
		raw, other := token("jti", `"one"`), token("jti", `"other"`)
		stolen, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)

		require.NoError(t, here.RevokeToken(t.Context(), stolen.Issuer(), stolen.ID(), stolen.Expires()))
		_, err = v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = v.Verify(t.Context(), other, auth.Access)
		assert.NoError(t, err, "another token of the subject")
		_, err = v.Verify(t.Context(), token("jti", `"one"`, "iss", `"elsewhere"`), auth.Access)
		assert.NoError(t, err, "another issuer's")

		// It is remembered for as long as anybody may take it, and no longer.
		assert.WithinDuration(t, stolen.Expires().Add(6*time.Minute), feed.expires[0], time.Second)
		require.NoError(t, here.RevokeToken(t.Context(), "", "long gone", time.Now().Add(-time.Hour)))
		assert.Len(t, feed.changes, 1)
		require.NoError(t, here.RevokeToken(t.Context(), "", "for good", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)))
		assert.Len(t, feed.changes, 2)
	})
}

func TestRevokeTokenRefusesWhatItCannotRevoke(t *testing.T) {
	f := newFixture(t)
	pair, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	own, err := f.v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	r := newRevocations(t, &line{})
	assert.ErrorContains(t, r.RevokeToken(t.Context(), "", own.ID(), own.Expires()), "of a session")
	assert.ErrorContains(t, r.RevokeToken(t.Context(), "", "", own.Expires()), "without a jti")
	down := errors.New("down")
	assert.ErrorIs(t, newRevocations(t, &line{err: down}).RevokeToken(t.Context(), "", "a", own.Expires()), down)
	require.NoError(t, r.Close())
	assert.ErrorIs(t, r.RevokeToken(t.Context(), "", "a", own.Expires()), auth.ErrOutage)
	assert.ErrorIs(t, new(auth.Revocations).RevokeToken(t.Context(), "", "a", own.Expires()), auth.ErrOutage)
	assert.Error(t, new(auth.Service).RevokeToken(t.Context(), own))
}

func TestServiceRevokesWhatATokenIsAPartOf(t *testing.T) {
	r := newRevocations(t, &line{})
	f := newFixture(t, func(c *auth.ServiceConfig) { c.Revocations = r })
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Revoked = r.Revoked })
	until := `4102444800`
	for desc, tc := range map[string]struct {
		raw   string
		kind  auth.Kind
		renew func(raw string) error
	}{
		"its own access token": {raw: func() string {
			pair, err := f.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			return pair.Access
		}(), kind: auth.Access},
		"a foreign access token": {raw: token(), kind: auth.Access},
		"a foreign refresh token": {
			raw: token("token_type", `"refresh"`, "jti", `"r"`), kind: auth.Refresh,
			renew: func(raw string) error { _, err := f.Refresh(t.Context(), raw); return err },
		},
		"a foreign sliding token": {
			raw: token("token_type", `"sliding"`, "jti", `"s"`, "refresh_exp", until), kind: auth.Sliding,
			renew: func(raw string) error {
				w := postJSON(t, f.SlideHandler(), `{"token":"`+raw+`"}`)
				if w.Code == 200 {
					return nil
				}
				return &auth.TokenError{Reason: auth.TokenRevoked}
			},
		},
	} {
		t.Run(desc, func(t *testing.T) {
			tok, err := v.Verify(t.Context(), tc.raw, tc.kind)
			require.NoError(t, err)
			for range 2 { // the second time it changes nothing
				require.NoError(t, f.RevokeToken(t.Context(), tok))
			}
			_, err = v.Verify(t.Context(), tc.raw, tc.kind)
			assert.Equal(t, auth.TokenRevoked, reason(err))
			if tc.renew != nil {
				assert.Equal(t, auth.TokenRevoked, reason(tc.renew(tc.raw)))
			}
		})
	}
}

func TestServiceEndsAForeignRefreshTokenThatWasUsed(t *testing.T) {
	f := newFixture(t)
	raw := token("token_type", `"refresh"`)
	tok, err := f.v.Verify(t.Context(), raw, auth.Refresh)
	require.NoError(t, err)
	pair, err := f.Refresh(t.Context(), raw)
	require.NoError(t, err)
	require.NoError(t, f.RevokeToken(t.Context(), tok))
	_, err = f.Refresh(t.Context(), pair.Refresh)
	assert.Equal(t, auth.TokenRevoked, reason(err))

	access, err := f.v.Verify(t.Context(), token("jti", `"a"`), auth.Access)
	require.NoError(t, err)
	err = f.RevokeToken(t.Context(), access)
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(err.Error(), "auth: without Revocations"))
}
