package session_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

func TestSlidingTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) { c.RefreshTTL = 12 * time.Minute })
		f.users.claims = map[string]any{"scope": "a"}
		v := newVerifier(t, func(c *auth.VerifierConfig) { c.RequestKind, c.Revoked = auth.Sliding, session.RevokedIn(f.store) })
		slide := func(raw string) (int, string) {
			w := postJSON(t, f.SlideHandler(), fmt.Sprintf(`{"token":%q}`, raw))
			return w.Code, member(t, w, "token")
		}
		w := postJSON(t, f.IssueSlidingHandler(), goodLogin)
		require.Equal(t, http.StatusOK, w.Code)
		first := member(t, w, "token")
		assert.Regexp(t, `^\{"token_type":"sliding","exp":\d+,"iat":\d+,"jti":"[A-Z2-7.]+","refresh_exp":\d+,"user_id":1,"sid":"[A-Z2-7]{26}","auth_time":\d+,"fresh_claims":\["scope"\],"scope":"a"\}$`, payload(t, first))
		assert.Equal(t, http.StatusOK, serve(t, v, first).Code)
		assert.Equal(t, http.StatusUnauthorized, serve(t, f.v, first).Code, "no access token")
		assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.RefreshHandler(), refreshBody(first)).Code, "no refresh token")

		time.Sleep(4 * time.Minute)
		code, second := slide(first)
		require.Equal(t, http.StatusOK, code)
		refreshExp := regexp.MustCompile(`"refresh_exp":\d+`)
		assert.Equal(t, refreshExp.FindString(payload(t, first)), refreshExp.FindString(payload(t, second)), "the end stays")
		time.Sleep(4 * time.Minute)
		code, _ = slide(first)
		assert.Equal(t, http.StatusUnauthorized, code, "expired")
		code, third := slide(second)
		require.Equal(t, http.StatusOK, code)
		tok, err := v.Verify(t.Context(), third, auth.Sliding)
		require.NoError(t, err)
		assert.Equal(t, 4*time.Minute, time.Until(tok.Expires()), "not beyond the end")

		f.users.claims = map[string]any{"plan": "gold"}
		_, fourth := slide(third)
		assert.Equal(t, map[string]any{"plan": "gold", "fresh_claims": []any{"plan"}, "refresh_exp": ownClaims(t, third)["refresh_exp"]}, ownClaims(t, fourth), "a scope that was taken away is gone")

		f.users.inactive = true
		code, _ = slide(third)
		assert.Equal(t, http.StatusUnauthorized, code, "inactive")
		f.users.inactive = false
		require.NoError(t, errOf(f.EndSession(t.Context(), tok.Session())))
		code, _ = slide(third)
		assert.Equal(t, http.StatusUnauthorized, code, "ended")
		w = serve(t, v, third)
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Contains(t, w.Body.String(), `"messages":[{"token_class":"SlidingToken","token_type":"sliding","message":"Token is blacklisted"}]`)
	})
}

func TestSlideRefuses(t *testing.T) {
	f := newFixture(t)
	_, refresh := login(t, f)
	now := time.Now().Unix()
	foreign := token("token_type", `"sliding"`, "refresh_exp", fmt.Sprint(now+600))
	for _, tt := range []struct {
		desc, raw string
		status    int
	}{
		{"a refresh token", refresh, 401},
		{"no refresh_exp", token("token_type", `"sliding"`), 401},
		{"a refresh_exp of a wrong type", token("token_type", `"sliding"`, "refresh_exp", `"1"`), 401},
		{"refresh_exp in the past", token("token_type", `"sliding"`, "refresh_exp", fmt.Sprint(now-1)), 401},
		{"a token of Django's", foreign, 200},
		{"once more: it slides", foreign, 200},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			assert.Equal(t, tt.status, postJSON(t, f.SlideHandler(), fmt.Sprintf(`{"token":%q}`, tt.raw)).Code)
		})
	}
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.IssueSlidingHandler(), `{"username":"alice","password":"x"}`).Code)
	f.users.claims = map[string]any{"exp": 1}
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueSlidingHandler(), goodLogin).Code)
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.SlideHandler(), fmt.Sprintf(`{"token":%q}`, foreign)).Code)
	f.users.claims = map[string]any{"x": strings.Repeat("x", 9000)}
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueSlidingHandler(), goodLogin).Code)
}
