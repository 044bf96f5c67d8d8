package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

func newRevocations(tb testing.TB) *auth.Revocations {
	tb.Helper()
	r, err := auth.NewRevocations(auth.RevocationsConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	return r
}

func TestServiceRevokesWhatATokenIsAPartOf(t *testing.T) {
	r := newRevocations(t)
	f := newFixture(t, func(c *session.Config) { c.Revocations = r })
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

// silent is a feed that cannot publish while it has an error.
type silent struct {
	err   error
	apply func([]byte, time.Time)
}

func (s *silent) Subscribe(_ string, apply func([]byte, time.Time)) { s.apply = apply }
func (s *silent) Age() time.Duration                                { return 0 }
func (s *silent) Publish(_ context.Context, _ string, data []byte, keep time.Duration) error {
	if s.err == nil {
		s.apply(data, time.Now().Add(keep))
	}
	return s.err
}

func TestTheOthersAreToldWhenARevocationIsRepeated(t *testing.T) {
	feed := &silent{err: errors.New("down")}
	r, err := auth.NewRevocations(auth.RevocationsConfig{Feed: feed, Outage: rampart.FailClosed, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	f := newFixture(t, func(c *session.Config) { c.Revocations, c.Tokens.Revoked = r, r.Revoked })
	raw := token("token_type", `"sliding"`, "refresh_exp", "4102444800")
	tok, err := f.v.Verify(t.Context(), raw, auth.Sliding)
	require.NoError(t, err)
	require.ErrorIs(t, f.RevokeToken(t.Context(), tok), feed.err)
	feed.err = nil
	require.NoError(t, f.RevokeToken(t.Context(), tok))
	_, err = f.v.Verify(t.Context(), raw, auth.Sliding)
	assert.Equal(t, auth.TokenRevoked, reason(err))
}

func TestARevokedSlidingTokenIsNotRenewed(t *testing.T) {
	r := newRevocations(t)
	f := newFixture(t, func(c *session.Config) { c.Revocations, c.Tokens.Revoked = r, r.Revoked })
	raw := member(t, postJSON(t, f.IssueSlidingHandler(), goodLogin), "token")
	tok, err := f.v.Verify(t.Context(), raw, auth.Sliding)
	require.NoError(t, err)
	require.NoError(t, r.RevokeToken(t.Context(), tok.Issuer(), tok.ID(), tok.Expires()))
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.SlideHandler(), `{"token":"`+raw+`"}`).Code)
}

func TestARevokedTokenThatDjangoMadeOfOursStaysRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRevocations(t)
		f := newFixture(t, func(c *session.Config) { c.Revocations, c.Tokens.Revoked = r, r.Revoked })
		pair, err := f.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		raw := token("sid", `"`+pair.Session+`"`) // it copies claims, and its tokens live for an hour
		tok, err := f.v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		require.NoError(t, f.RevokeToken(t.Context(), tok))
		time.Sleep(50 * time.Minute)
		require.NoError(t, errOf(f.EndSession(t.Context(), "has what is old swept")))
		require.NoError(t, r.RevokeSession(t.Context(), "has what is old swept", time.Now().Add(time.Minute)))
		_, err = f.v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err))
	})
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
	assert.True(t, strings.HasPrefix(err.Error(), "session: without Revocations"))
}
