package session_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, first := login(t, f)

		time.Sleep(2 * time.Second)
		w := postJSON(t, f.RefreshHandler(), refreshBody(first))
		require.Equal(t, http.StatusOK, w.Code)
		second := member(t, w, "refresh")
		assert.NotEqual(t, first, second)

		time.Sleep(9 * time.Second)
		w = postJSON(t, f.RefreshHandler(), refreshBody(first))
		require.Equal(t, http.StatusOK, w.Code, "the predecessor within the grace")
		assert.Equal(t, second, member(t, w, "refresh"), "gets the same successor")

		time.Sleep(2 * time.Second)
		w = postJSON(t, f.RefreshHandler(), refreshBody(second))
		require.Equal(t, http.StatusOK, w.Code)
		third, access := member(t, w, "refresh"), member(t, w, "access")

		w = postJSON(t, f.RefreshHandler(), refreshBody(first))
		assert.Equal(t, http.StatusUnauthorized, w.Code, "its successor has been used")
		assert.Equal(t, "Token is blacklisted", member(t, w, "detail"))
		assert.Equal(t, "token_not_valid", member(t, w, "code"))
		assert.Contains(t, f.log.String(), "level=WARN msg=authn_token_reuse")

		w = postJSON(t, f.RefreshHandler(), refreshBody(third))
		assert.Equal(t, http.StatusUnauthorized, w.Code, "the session has ended")
		_, err := f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err), "so has its access token")
	})
}

func TestReuseAfterTheGraceEndsTheSession(t *testing.T) {
	for desc, grace := range map[string]time.Duration{"after the grace": 0, "without a grace": -1} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(c *session.Config) { c.Grace = grace })
				_, first := login(t, f)
				pair, err := f.Refresh(t.Context(), first)
				require.NoError(t, err)
				if grace == 0 {
					time.Sleep(10*time.Second + time.Millisecond)
				}
				_, err = f.Refresh(t.Context(), first)
				assert.Equal(t, auth.TokenReused, reason(err))
				_, err = f.Refresh(t.Context(), pair.Refresh)
				assert.Equal(t, auth.TokenRevoked, reason(err))
			})
		})
	}
}

func TestLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) {
			c.AccessTTL, c.RefreshTTL, c.SessionTTL = time.Minute, time.Hour, 90*time.Minute
		})
		access, first := login(t, f)
		time.Sleep(time.Minute)
		_, err := f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenExpired, reason(err))
		time.Sleep(58 * time.Minute)
		pair, err := f.Refresh(t.Context(), first)
		require.NoError(t, err)
		time.Sleep(30*time.Minute + 30*time.Second) // 89.5 minutes: idle would be until 119
		pair, err = f.Refresh(t.Context(), pair.Refresh)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, time.Until(pair.AccessExpires), "no token outlives its session")
		time.Sleep(30 * time.Second)
		_, err = f.Refresh(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenExpired, reason(err))

		_, idle := login(t, f)
		time.Sleep(time.Hour)
		_, err = f.Refresh(t.Context(), idle)
		assert.Equal(t, auth.TokenExpired, reason(err))
	})
}

func TestConcurrentRefreshesGetOneSuccessor(t *testing.T) {
	f := newFixture(t)
	_, first := login(t, f)
	results := make(chan string, 16)
	for range 16 {
		go func() {
			pair, err := f.Refresh(context.Background(), first)
			if err != nil {
				results <- err.Error()
				return
			}
			results <- pair.Refresh
		}()
	}
	one := <-results
	for range 15 {
		assert.Equal(t, one, <-results)
	}
	_, err := f.v.Verify(t.Context(), one, auth.Refresh)
	assert.NoError(t, err)
}

func TestRefreshRefuses(t *testing.T) {
	f := newFixture(t)
	access, _ := login(t, f)
	ours := "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tests := []struct {
		desc, body string
		status     int
		detail     string
	}{
		{"garbage", refreshBody("x"), 401, "Token is invalid or expired"},
		{"an access token", refreshBody(access), 401, "Token has wrong type"},
		{"no jti", refreshBody(token("token_type", `"refresh"`, "jti", "")), 401, "Token has no id"},
		{"an unknown session", refreshBody(token("token_type", `"refresh"`, "jti", `"`+ours+`.1"`, "sid", `"`+ours+`"`)), 401, "Token is blacklisted"},
		{"a blank field", `{"refresh":""}`, 400, ""},
		{"a missing field", `{}`, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w := postJSON(t, f.RefreshHandler(), tt.body)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.detail, member(t, w, "detail"))
		})
	}
	t.Run("a token id that no refresh token has", func(t *testing.T) {
		tok, err := f.v.Verify(t.Context(), access, auth.Access)
		require.NoError(t, err)
		for _, id := range []string{tok.ID(), tok.Session() + ".0", tok.Session() + ".7", tok.Session() + ".", tok.Session() + "1", ours + ".1"} {
			_, err = f.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", fmt.Sprintf("%q", id), "sid", fmt.Sprintf("%q", tok.Session())))
			assert.NotEmpty(t, reason(err), id)
		}
	})
	t.Run("another subject than the session's", func(t *testing.T) {
		_, refresh := login(t, f)
		tok, err := f.v.Verify(t.Context(), refresh, auth.Refresh)
		require.NoError(t, err)
		_, err = f.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", fmt.Sprintf("%q", tok.ID()), "sid", fmt.Sprintf("%q", tok.Session()), "user_id", "2"))
		assert.Equal(t, auth.TokenRevoked, reason(err))
	})
}

func TestAnInactiveAccountCannotRefresh(t *testing.T) {
	f := newFixture(t)
	_, refresh := login(t, f)
	f.users.inactive = true
	w := postJSON(t, f.RefreshHandler(), refreshBody(refresh))
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, "no_active_account", member(t, w, "code"))
	f.users.inactive = false
	_, err := f.Refresh(t.Context(), refresh)
	assert.NoError(t, err, "the token was not used up")
}

func TestScopesChangeAtRefresh(t *testing.T) {
	f := newFixture(t)
	f.users.claims = map[string]any{"scope": "a b", "roles": []string{"x"}}
	access, refresh := login(t, f)
	tok, err := f.v.Verify(t.Context(), access, auth.Access)
	require.NoError(t, err)
	assert.True(t, tok.HasScope("b"))
	assert.NotContains(t, payload(t, refresh), "scope")
	assert.Contains(t, payload(t, access), `,"roles":["x"],"scope":"a b"}`)

	f.users.claims = map[string]any{"scope": "a"}
	pair, err := f.Refresh(t.Context(), refresh)
	require.NoError(t, err)
	tok, err = f.v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	assert.False(t, tok.HasScope("b"))

	f.users.claims = map[string]any{"user_id": 2}
	_, err = f.Refresh(t.Context(), pair.Refresh)
	assert.EqualError(t, err, `session: claim "user_id" is set by the service`)
}

func TestAForeignRefreshTokenIsAdoptedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) { c.Grace = -1 })
		django := token("token_type", `"refresh"`, "role", `"admin"`)
		pair, err := f.Refresh(t.Context(), django)
		require.NoError(t, err)
		assert.Contains(t, payload(t, pair.Access), `,"role":"admin"}`)
		_, err = f.Refresh(t.Context(), django)
		assert.Equal(t, auth.TokenReused, reason(err))
		_, err = f.Refresh(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))

		django = token("token_type", `"refresh"`, "jti", `"another"`)
		assert.Equal(t, http.StatusOK, postJSON(t, f.EndSessionHandler(), refreshBody(django)).Code, "log-out works on it")
		_, err = f.Refresh(t.Context(), django)
		assert.Equal(t, auth.TokenRevoked, reason(err))

		require.NoError(t, errOf(f.EndSubject(t.Context(), "1")))
		_, err = f.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", `"third"`))
		assert.Equal(t, auth.TokenRevoked, reason(err), "made before a password change")

		// Its row lives as long as the token, however long that is.
		long := fmt.Sprint(time.Now().Add(90 * 24 * time.Hour).Unix())
		django = token("token_type", `"refresh"`, "jti", `"long"`, "user_id", "7", "exp", long)
		_, err = f.Refresh(t.Context(), django)
		require.NoError(t, err)
		time.Sleep(60 * 24 * time.Hour)
		login(t, f) // the store sweeps
		_, err = f.Refresh(t.Context(), django)
		assert.Equal(t, auth.TokenReused, reason(err))
	})
}

func TestAForeignRefreshTokenIsNotAdoptedAgainWithinTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) {
			c.Tokens.Leeway, c.NoRotation, c.SessionTTL = 5*time.Minute, true, 24*time.Hour
		})
		django := token("token_type", `"refresh"`, "exp", fmt.Sprint(time.Now().Add(48*time.Hour).Unix()))
		require.Equal(t, http.StatusOK, postJSON(t, f.EndSessionHandler(), refreshBody(django)).Code)
		time.Sleep(48*time.Hour + 2*time.Minute)
		login(t, f) // the store sweeps
		_, err := f.Refresh(t.Context(), django)
		assert.Equal(t, auth.TokenRevoked, reason(err))
	})
}

func TestAnAuthTimeAheadDoesNotOutliveTheEndOfItsSubject(t *testing.T) {
	f := newFixture(t)
	pair, err := f.Refresh(t.Context(), token("token_type", `"refresh"`, "auth_time", "4102444800"))
	require.NoError(t, err)
	require.NoError(t, errOf(f.EndSubject(t.Context(), "1")))
	_, err = f.Refresh(t.Context(), pair.Refresh)
	assert.Equal(t, auth.TokenRevoked, reason(err))
	assert.Equal(t, http.StatusUnauthorized, serve(t, f.v, pair.Access).Code)
}

func TestATokenOfOursFromBeforeSidIsNotAdopted(t *testing.T) {
	f := newFixture(t)
	id := `"` + strings.Repeat("A", 26) + `.1"` // it may be used up, or its session ended: nobody knows
	_, err := f.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", id))
	assert.Equal(t, auth.TokenRevoked, reason(err))
	sliding := token("token_type", `"sliding"`, "jti", id, "refresh_exp", "4102444800")
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.SlideHandler(), fmt.Sprintf(`{"token":%q}`, sliding)).Code)
}

func TestTheRevokedHookIsAskedAboutForeignTokens(t *testing.T) {
	store := session.NewMemoryStore(0)
	tokens := auth.Simplejwt([]byte(secret))
	tokens.Revoked = func(_ context.Context, tok *auth.Token) (bool, error) { return tok.ID() == "bad", nil }
	s, err := session.New(session.Config{Tokens: tokens, Users: &people{}, Sessions: store, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", `"bad"`))
	assert.Equal(t, auth.TokenRevoked, reason(err))
	_, err = s.Refresh(t.Context(), token("token_type", `"refresh"`, "jti", `"good"`))
	assert.NoError(t, err)
}

func TestNoRotation(t *testing.T) {
	f := newFixture(t, func(c *session.Config) { c.NoRotation = true })
	_, refresh := login(t, f)
	for range 2 {
		w := postJSON(t, f.RefreshHandler(), refreshBody(refresh))
		require.Equal(t, http.StatusOK, w.Code)
		assert.NotEmpty(t, member(t, w, "access"))
		assert.Empty(t, member(t, w, "refresh"))
	}
	assert.Equal(t, http.StatusOK, postJSON(t, f.VerifyHandler(), fmt.Sprintf(`{"token":%q}`, refresh)).Code)
	postJSON(t, f.EndSessionHandler(), refreshBody(refresh))
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.RefreshHandler(), refreshBody(refresh)).Code)
}

func TestRotationThatIsSwitchedOffDoesNotReviveUsedTokens(t *testing.T) {
	f := newFixture(t)
	_, first := login(t, f)
	pair, err := f.Refresh(t.Context(), first)
	require.NoError(t, err)
	s, err := session.New(session.Config{
		Tokens: auth.Simplejwt([]byte(secret)), Users: f.users, Sessions: f.store, NoRotation: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), first)
	assert.Equal(t, auth.TokenReused, reason(err))
	_, err = s.Refresh(t.Context(), pair.Refresh)
	assert.Equal(t, auth.TokenRevoked, reason(err))
}
