package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

const goodLogin = `{"username":"alice","password":"correct horse"}`

// login returns a fresh pair of tokens.
func login(tb testing.TB, f *fixture) (access, refresh string) {
	tb.Helper()
	w := postJSON(tb, f.Obtain(), goodLogin)
	require.Equal(tb, http.StatusOK, w.Code, w.Body.String())
	return member(tb, w, "access"), member(tb, w, "refresh")
}

func refreshBody(refresh string) string { return fmt.Sprintf(`{"refresh":%q}`, refresh) }

func TestTheTokensHaveSimplejwtsClaims(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	assert.Regexp(t, `^\{"token_type":"access","exp":\d+,"iat":\d+,"jti":"[A-Z2-7]{26}\.[A-Z2-7]{16}","user_id":1\}$`, payload(t, access))
	assert.Regexp(t, `^\{"token_type":"refresh","exp":\d+,"iat":\d+,"jti":"[A-Z2-7]{26}\.1","user_id":1\}$`, payload(t, refresh))
	assert.Equal(t, b64(plainHeader), strings.Split(access, ".")[0])

	tok, err := f.v.Verify(t.Context(), access, auth.Access)
	require.NoError(t, err)
	assert.Equal(t, 5*time.Minute, tok.Expires().Sub(tok.IssuedAt()))
	assert.Len(t, tok.Session(), 26)
	tok, err = f.v.Verify(t.Context(), refresh, auth.Refresh)
	require.NoError(t, err)
	assert.Equal(t, 24*time.Hour, tok.Expires().Sub(tok.IssuedAt()))
}

func TestObtain(t *testing.T) {
	const fieldError = `{"title":"Bad Request","status":400,"code":"invalid","errors":[%s],%s}`
	one := func(name, code, detail string) string {
		return fmt.Sprintf(fieldError,
			fmt.Sprintf(`{"pointer":"#/%s","code":%q,"detail":%q}`, name, code, detail), fmt.Sprintf(`%q:[%q]`, name, detail))
	}
	tests := []struct {
		desc, contentType, body string
		status                  int
		want                    string // the body, where it is fixed
	}{
		{"JSON", "application/json", goodLogin, 200, ""},
		{"JSON in UTF-8", "application/json; charset=UTF-8", goodLogin, 200, ""},
		{"a form", "application/x-www-form-urlencoded", "username=alice&password=correct+horse", 200, ""},
		{"a wrong password", "application/json", `{"username":"alice","password":"x"}`, 401, `{"title":"Unauthorized","status":401,"code":"no_active_account","detail":"No active account found with the given credentials"}`},
		{"an unknown name", "application/json", `{"username":"bob","password":"x"}`, 401, `{"title":"Unauthorized","status":401,"code":"no_active_account","detail":"No active account found with the given credentials"}`},
		{"a missing field", "application/json", `{"username":"alice"}`, 400, one("password", "required", "This field is required.")},
		{"a blank field", "application/json", `{"username":"alice","password":" "}`, 400, one("password", "blank", "This field may not be blank.")},
		{"NUL", "application/json", `{"username":"al\u0000ice","password":"x"}`, 400, one("username", "null_characters_not_allowed", "Null characters are not allowed.")},
		{"a field of a wrong type", "application/json", `{"username":{"$gt":""},"password":"x"}`, 400, one("username", "invalid", "Not a valid string.")},
		{"a number", "application/json", `{"username":"alice","password":1}`, 400, one("password", "invalid", "Not a valid string.")},
		{"both missing", "application/json", `{}`, 400, fmt.Sprintf(fieldError,
			`{"pointer":"#/username","code":"required","detail":"This field is required."},{"pointer":"#/password","code":"required","detail":"This field is required."}`,
			`"username":["This field is required."],"password":["This field is required."]`)},
		{"an array", "application/json", `[1]`, 400, `{"title":"Bad Request","status":400,"code":"invalid","detail":"Invalid data. Expected a dictionary.","non_field_errors":["Invalid data. Expected a dictionary."]}`},
		{"truncated JSON", "application/json", `{"username":`, 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"JSON parse error"}`},
		{"no body", "application/json", ``, 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"JSON parse error"}`},
		{"a name twice", "application/json", `{"username":"alice","username":"alice","password":"correct horse"}`, 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"JSON parse error"}`},
		{"deep nesting", "application/json", strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"JSON parse error"}`},
		{"invalid UTF-8", "application/json", "{\"username\":\"\xff\",\"password\":\"x\"}", 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"JSON parse error"}`},
		{"a field twice in a form", "application/x-www-form-urlencoded", "username=alice&username=bob&password=x", 400, one("username", "invalid", "Not a valid string.")},
		{"invalid UTF-8 in a form", "application/x-www-form-urlencoded", "username=%ff&password=x", 400, one("username", "invalid", "Not a valid string.")},
		{"a malformed form", "application/x-www-form-urlencoded", "username=%zz", 400, `{"title":"Bad Request","status":400,"code":"parse_error","detail":"Form parse error"}`},
		{"no media type", "", goodLogin, 415, `{"title":"Unsupported Media Type","status":415,"code":"unsupported_media_type","detail":"Send application/json or application/x-www-form-urlencoded."}`},
		{"XML", "application/xml", "<x/>", 415, ""},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415, ""},
		{"another charset", "application/json; charset=utf-16", goodLogin, 415, ""},
		{"a huge body", "application/json", `{"username":"` + strings.Repeat("a", 1<<20) + `"}`, 413, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t)
			w := post(t, f.Obtain(), tt.contentType, tt.body)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			if tt.want != "" {
				assert.JSONEq(t, tt.want, w.Body.String())
			}
			wantChallenge := ""
			if tt.status == 401 {
				wantChallenge = `Bearer realm="api"`
			}
			assert.Equal(t, wantChallenge, w.Header().Get("WWW-Authenticate"))
		})
	}
}

func TestOnlyPOST(t *testing.T) {
	f := newFixture(t)
	for _, h := range []http.Handler{f.Obtain(), f.Refresh(), f.VerifyToken(), f.Logout()} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "POST", w.Header().Get("Allow"))
	}
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, first := login(t, f)

		time.Sleep(2 * time.Second)
		w := postJSON(t, f.Refresh(), refreshBody(first))
		require.Equal(t, http.StatusOK, w.Code)
		second := member(t, w, "refresh")
		assert.NotEqual(t, first, second)

		time.Sleep(9 * time.Second)
		w = postJSON(t, f.Refresh(), refreshBody(first))
		require.Equal(t, http.StatusOK, w.Code, "the predecessor within the grace")
		assert.Equal(t, second, member(t, w, "refresh"), "gets the same successor")

		time.Sleep(2 * time.Second)
		w = postJSON(t, f.Refresh(), refreshBody(second))
		require.Equal(t, http.StatusOK, w.Code)
		third, access := member(t, w, "refresh"), member(t, w, "access")

		w = postJSON(t, f.Refresh(), refreshBody(first))
		assert.Equal(t, http.StatusUnauthorized, w.Code, "its successor has been used")
		assert.Equal(t, "Token is blacklisted", member(t, w, "detail"))
		assert.Equal(t, "token_not_valid", member(t, w, "code"))
		assert.Contains(t, f.log.String(), "level=WARN msg=authn_token_reuse")

		w = postJSON(t, f.Refresh(), refreshBody(third))
		assert.Equal(t, http.StatusUnauthorized, w.Code, "the session has ended")
		_, err := f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err), "so has its access token")
	})
}

func TestReuseAfterTheGraceEndsTheSession(t *testing.T) {
	for desc, grace := range map[string]time.Duration{"after the grace": 0, "without a grace": -1} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, func(c *auth.ServiceConfig) { c.Grace = grace })
				_, first := login(t, f)
				pair, err := f.Renew(t.Context(), first)
				require.NoError(t, err)
				if grace == 0 {
					time.Sleep(10*time.Second + time.Millisecond)
				}
				_, err = f.Renew(t.Context(), first)
				assert.Equal(t, auth.TokenReused, reason(err))
				_, err = f.Renew(t.Context(), pair.Refresh)
				assert.Equal(t, auth.TokenRevoked, reason(err))
			})
		})
	}
}

func TestLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *auth.ServiceConfig) {
			c.AccessTTL, c.RefreshTTL, c.SessionTTL = time.Minute, time.Hour, 90*time.Minute
		})
		access, first := login(t, f)
		time.Sleep(time.Minute)
		_, err := f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenExpired, reason(err))
		time.Sleep(58 * time.Minute)
		pair, err := f.Renew(t.Context(), first)
		require.NoError(t, err)
		time.Sleep(30*time.Minute + 30*time.Second) // 89.5 minutes: idle would be until 119
		pair, err = f.Renew(t.Context(), pair.Refresh)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, time.Until(pair.AccessExpires), "no token outlives its session")
		time.Sleep(30 * time.Second)
		_, err = f.Renew(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenExpired, reason(err))

		_, idle := login(t, f)
		time.Sleep(time.Hour)
		_, err = f.Renew(t.Context(), idle)
		assert.Equal(t, auth.TokenExpired, reason(err))
	})
}

func TestConcurrentRefreshesGetOneSuccessor(t *testing.T) {
	f := newFixture(t)
	_, first := login(t, f)
	results := make(chan string, 16)
	for range 16 {
		go func() {
			pair, err := f.Renew(context.Background(), first)
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
		{"an unknown session", refreshBody(token("token_type", `"refresh"`, "jti", `"`+ours+`.1"`)), 401, "Token is blacklisted"},
		{"a blank field", `{"refresh":""}`, 400, ""},
		{"a missing field", `{}`, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w := postJSON(t, f.Refresh(), tt.body)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.detail, member(t, w, "detail"))
		})
	}
	t.Run("a token id that no refresh token has", func(t *testing.T) {
		tok, err := f.v.Verify(t.Context(), access, auth.Access)
		require.NoError(t, err)
		for _, id := range []string{tok.ID(), tok.Session() + ".0", tok.Session() + ".7"} {
			_, err = f.Renew(t.Context(), token("token_type", `"refresh"`, "jti", fmt.Sprintf("%q", id)))
			assert.NotEmpty(t, reason(err), id)
		}
	})
	t.Run("another subject than the session's", func(t *testing.T) {
		_, refresh := login(t, f)
		tok, err := f.v.Verify(t.Context(), refresh, auth.Refresh)
		require.NoError(t, err)
		_, err = f.Renew(t.Context(), token("token_type", `"refresh"`, "jti", fmt.Sprintf("%q", tok.ID()), "user_id", "2"))
		assert.Equal(t, auth.TokenRevoked, reason(err))
	})
}

func TestAnInactiveAccountCannotRefresh(t *testing.T) {
	f := newFixture(t)
	_, refresh := login(t, f)
	f.users.inactive = true
	w := postJSON(t, f.Refresh(), refreshBody(refresh))
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, "no_active_account", member(t, w, "code"))
	f.users.inactive = false
	_, err := f.Renew(t.Context(), refresh)
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
	assert.Contains(t, payload(t, access), `"user_id":1,"roles":["x"],"scope":"a b"}`)

	f.users.claims = map[string]any{"scope": "a"}
	pair, err := f.Renew(t.Context(), refresh)
	require.NoError(t, err)
	tok, err = f.v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	assert.False(t, tok.HasScope("b"))

	f.users.claims = map[string]any{"user_id": 2}
	_, err = f.Renew(t.Context(), pair.Refresh)
	assert.EqualError(t, err, `auth: claim "user_id" is set by the service`)
}

func TestIssue(t *testing.T) {
	f := newFixture(t)
	pair, err := f.Issue(t.Context(), "alice", map[string]any{"scope": "a", "tenant": map[string]int{"b": 2, "a": 1}})
	require.NoError(t, err)
	assert.Contains(t, payload(t, pair.Access), `"user_id":"alice","scope":"a","tenant":{"a":1,"b":2}}`)
	pair, err = f.Renew(t.Context(), pair.Refresh)
	require.NoError(t, err)
	assert.Contains(t, payload(t, pair.Access), `"user_id":"alice","scope":"a","tenant":{"a":1,"b":2}}`, "claims go on")

	for _, subject := range []string{"", strings.Repeat("x", 256)} {
		_, err = f.Issue(t.Context(), subject, nil)
		assert.EqualError(t, err, "auth: a subject has 1 to 255 bytes")
	}
	for _, claim := range []string{"exp", "sub", "jti", "token_type", "user_id", "iss"} {
		_, err = f.Issue(t.Context(), "1", map[string]any{claim: 1})
		assert.EqualError(t, err, fmt.Sprintf(`auth: claim %q is set by the service`, claim))
	}
	_, err = f.Issue(t.Context(), "1", map[string]any{"x": func() {}})
	assert.ErrorContains(t, err, `auth: claim "x"`)
	_, err = f.Issue(t.Context(), "1", map[string]any{"x": strings.Repeat("x", 9000)})
	assert.EqualError(t, err, "auth: the claims make the token longer than MaxBytes")
}

func TestLogout(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	w := postJSON(t, f.Logout(), refreshBody(refresh))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "{}", w.Body.String())

	for _, h := range []http.Handler{f.Logout(), f.Refresh()} {
		w = postJSON(t, h, refreshBody(refresh))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Equal(t, "Token is blacklisted", member(t, w, "detail"))
	}
	w = serve(t, f.v.Handler(spy(t, false)), "Bearer "+access)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.Logout(), refreshBody(access)).Code)
}

func TestVerifyToken(t *testing.T) {
	f := newFixture(t)
	access, first := login(t, f)
	verify := func(raw string) int {
		return postJSON(t, f.VerifyToken(), fmt.Sprintf(`{"token":%q}`, raw)).Code
	}
	assert.Equal(t, http.StatusOK, verify(access))
	assert.Equal(t, http.StatusOK, verify(first))
	assert.Equal(t, http.StatusUnauthorized, verify("x"))
	pair, err := f.Renew(t.Context(), first)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, verify(first), "used")
	assert.Equal(t, http.StatusOK, verify(pair.Refresh), "asking did not end the session")
	require.NoError(t, f.EndSession(t.Context(), pair.Session))
	assert.Equal(t, http.StatusUnauthorized, verify(pair.Refresh))
	assert.Equal(t, http.StatusUnauthorized, verify(access))
	assert.Equal(t, http.StatusOK, verify(token("token_type", `"refresh"`)), "another issuer's, unused")
}

func TestEndSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		access, refresh := login(t, f)
		other, err := f.Issue(t.Context(), "2", nil)
		require.NoError(t, err)
		require.NoError(t, f.EndSubject(t.Context(), "1"))
		_, err = f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = f.Renew(t.Context(), refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = f.Renew(t.Context(), other.Refresh)
		assert.NoError(t, err)

		time.Sleep(time.Millisecond) // the same second
		_, refresh = login(t, f)
		_, err = f.Renew(t.Context(), refresh)
		assert.NoError(t, err)
		assert.Error(t, f.EndSubject(t.Context(), ""))
	})
}

func TestALoginThatRacesAPasswordChangeMakesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.users.onLogin = func() {
			time.Sleep(time.Second)
			assert.NoError(t, f.EndSubject(t.Context(), "1"))
		}
		w := postJSON(t, f.Obtain(), goodLogin)
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Equal(t, "no_active_account", member(t, w, "code"))
	})
}

func TestEndAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, old := login(t, f)
		time.Sleep(time.Hour)
		_, young := login(t, f)
		require.NoError(t, f.EndAll(t.Context(), time.Now().Add(-time.Minute)))
		_, err := f.Renew(t.Context(), old)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		pair, err := f.Renew(t.Context(), young)
		require.NoError(t, err)
		require.NoError(t, f.EndAll(t.Context(), time.Time{}))
		_, err = f.Renew(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		assert.Error(t, f.EndAll(t.Context(), time.Now().Add(time.Hour)))
	})
}

func TestAForeignRefreshTokenIsAdoptedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *auth.ServiceConfig) { c.Grace = -1 })
		django := token("token_type", `"refresh"`, "role", `"admin"`)
		pair, err := f.Renew(t.Context(), django)
		require.NoError(t, err)
		assert.Contains(t, payload(t, pair.Access), `"user_id":1,"role":"admin"}`)
		_, err = f.Renew(t.Context(), django)
		assert.Equal(t, auth.TokenReused, reason(err))
		_, err = f.Renew(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))

		django = token("token_type", `"refresh"`, "jti", `"another"`)
		assert.Equal(t, http.StatusOK, postJSON(t, f.Logout(), refreshBody(django)).Code, "log-out works on it")
		_, err = f.Renew(t.Context(), django)
		assert.Equal(t, auth.TokenRevoked, reason(err))

		require.NoError(t, f.EndSubject(t.Context(), "1"))
		_, err = f.Renew(t.Context(), token("token_type", `"refresh"`, "jti", `"third"`))
		assert.Equal(t, auth.TokenRevoked, reason(err), "made before a password change")

		// Its row lives as long as the token, however long that is.
		long := fmt.Sprint(time.Now().Add(90 * 24 * time.Hour).Unix())
		django = token("token_type", `"refresh"`, "jti", `"long"`, "user_id", "7", "exp", long)
		_, err = f.Renew(t.Context(), django)
		require.NoError(t, err)
		time.Sleep(60 * 24 * time.Hour)
		login(t, f) // the store sweeps
		_, err = f.Renew(t.Context(), django)
		assert.Equal(t, auth.TokenReused, reason(err))
	})
}

func TestTheRevokedHookIsAskedAboutForeignTokens(t *testing.T) {
	store := auth.NewMemoryStore(0)
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Revoked = func(_ context.Context, tok *auth.Token) (bool, error) { return tok.ID() == "bad", nil }
	})
	s, err := auth.NewService(auth.ServiceConfig{Verifier: v, Users: &people{}, Sessions: store, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = s.Renew(t.Context(), token("token_type", `"refresh"`, "jti", `"bad"`))
	assert.Equal(t, auth.TokenRevoked, reason(err))
	_, err = s.Renew(t.Context(), token("token_type", `"refresh"`, "jti", `"good"`))
	assert.NoError(t, err)
}

func TestNoRotation(t *testing.T) {
	f := newFixture(t, func(c *auth.ServiceConfig) { c.NoRotation = true })
	_, refresh := login(t, f)
	for range 2 {
		w := postJSON(t, f.Refresh(), refreshBody(refresh))
		require.Equal(t, http.StatusOK, w.Code)
		assert.NotEmpty(t, member(t, w, "access"))
		assert.Empty(t, member(t, w, "refresh"))
	}
	assert.Equal(t, http.StatusOK, postJSON(t, f.VerifyToken(), fmt.Sprintf(`{"token":%q}`, refresh)).Code)
	postJSON(t, f.Logout(), refreshBody(refresh))
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.Refresh(), refreshBody(refresh)).Code)
}

func TestRotationThatIsSwitchedOffDoesNotReviveUsedTokens(t *testing.T) {
	f := newFixture(t)
	_, first := login(t, f)
	pair, err := f.Renew(t.Context(), first)
	require.NoError(t, err)
	s, err := auth.NewService(auth.ServiceConfig{
		Verifier: f.v, Users: f.users, Sessions: f.store, NoRotation: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	_, err = s.Renew(t.Context(), pair.Refresh)
	require.NoError(t, err)
	_, err = s.Renew(t.Context(), first)
	assert.Equal(t, auth.TokenReused, reason(err))
	_, err = s.Renew(t.Context(), pair.Refresh)
	assert.Equal(t, auth.TokenRevoked, reason(err))
}

func TestLegacyNames(t *testing.T) {
	f := newFixture(t, func(c *auth.ServiceConfig) { c.LegacyNames = true })
	w := postJSON(t, f.Obtain(), goodLogin)
	for _, name := range []string{"access", "refresh"} {
		assert.NotEmpty(t, member(t, w, name))
		assert.Equal(t, member(t, w, name), member(t, w, name+"_token"))
	}
}

// tooManyError is an error of a limiter.
type tooManyError struct{}

func (tooManyError) Error() string             { return "too many" }
func (tooManyError) RetryAfter() time.Duration { return 1500 * time.Millisecond }

func TestGuard(t *testing.T) {
	var refuse error
	var outcomes []bool
	f := newFixture(t, func(c *auth.ServiceConfig) {
		c.Guard = func(_ context.Context, _ *http.Request, name string) (func(bool), error) {
			assert.Equal(t, "alice", name)
			return func(ok bool) { outcomes = append(outcomes, ok) }, refuse
		}
	})
	login(t, f)
	postJSON(t, f.Obtain(), `{"username":"alice","password":"x"}`)
	assert.Equal(t, []bool{true, false}, outcomes)

	f.users.onLogin = func() { t.Error("the password was looked at") }
	refuse = tooManyError{}
	w := postJSON(t, f.Obtain(), goodLogin)
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.Equal(t, "2", w.Header().Get("Retry-After"))
	assert.Equal(t, "throttled", member(t, w, "code"))
	refuse = &rampart.Problem{Status: http.StatusTooManyRequests, Code: "mine"}
	assert.Equal(t, "mine", member(t, postJSON(t, f.Obtain(), goodLogin), "code"))
	assert.Len(t, outcomes, 2)
	assert.Contains(t, f.log.String(), "excess_rate_limit_exceeded")
}

func TestBackendFailuresAre503(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	f.users.err = errors.New("connection refused")
	for _, w := range []*httptest.ResponseRecorder{postJSON(t, f.Obtain(), goodLogin), postJSON(t, f.Refresh(), refreshBody(refresh))} {
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		assert.Empty(t, w.Header().Get("WWW-Authenticate"))
		assert.NotContains(t, w.Body.String(), "refused")
	}
	assert.Contains(t, f.log.String(), "sys_backend_unavailable")
	f.users.err = tooManyError{} // a hasher that is busy
	assert.Equal(t, "2", postJSON(t, f.Obtain(), goodLogin).Header().Get("Retry-After"))
	f.users.err = nil

	down := errors.New("store down")
	broken := &brokenStore{SessionStore: f.store, err: down}
	s, err := auth.NewService(auth.ServiceConfig{Verifier: f.v, Users: f.users, Sessions: broken, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for n := range 5 {
		broken.fail = n
		pair, err := s.Renew(t.Context(), refresh)
		if n < 2 {
			assert.ErrorIs(t, err, down)
			assert.Nil(t, pair)
		}
	}
	for _, fail := range []func() error{
		func() error { _, err := s.Issue(t.Context(), "1", nil); return err },
		func() error { return s.EndSession(t.Context(), "x") },
		func() error { return s.EndSubject(t.Context(), "x") },
		func() error { return s.EndAll(t.Context(), time.Time{}) },
		func() error { _, err := s.Renew(t.Context(), token("token_type", `"refresh"`)); return err },
		func() error { _, err := auth.RevokedIn(broken)(t.Context(), mustVerify(t, access)); return err },
	} {
		broken.fail = 0
		assert.ErrorIs(t, fail(), down)
	}
	for _, fail := range []func() error{ // the clock still answers
		func() error { return s.EndSubject(t.Context(), "x") },
		func() error { return s.EndAll(t.Context(), time.Time{}) },
	} {
		broken.fail = 1
		assert.ErrorIs(t, fail(), down)
	}
	broken.fail = 0
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, s.Obtain(), goodLogin).Code)
}

func mustVerify(tb testing.TB, raw string) *auth.Token {
	tb.Helper()
	tok, err := newVerifier(tb).Verify(tb.Context(), raw, auth.Access)
	require.NoError(tb, err)
	return tok
}

// brokenStore fails from its fail'th call on.
type brokenStore struct {
	auth.SessionStore
	fail int
	err  error
}

func (b *brokenStore) broken() error {
	if b.fail <= 0 {
		return b.err
	}
	b.fail--
	return nil
}

func (b *brokenStore) Now(ctx context.Context) (time.Time, error) {
	if err := b.broken(); err != nil {
		return time.Time{}, err
	}
	return b.SessionStore.Now(ctx)
}

func (b *brokenStore) Create(ctx context.Context, s auth.Session) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.SessionStore.Create(ctx, s)
}

func (b *brokenStore) Get(ctx context.Context, id string) (auth.Session, error) {
	if err := b.broken(); err != nil {
		return auth.Session{}, err
	}
	return b.SessionStore.Get(ctx, id)
}

func (b *brokenStore) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (auth.Session, bool, error) {
	if err := b.broken(); err != nil {
		return auth.Session{}, false, err
	}
	return b.SessionStore.Advance(ctx, id, gen, at, expires)
}

func (b *brokenStore) Revoke(ctx context.Context, id string) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.SessionStore.Revoke(ctx, id)
}

func (b *brokenStore) RevokeSubject(ctx context.Context, subject string, before time.Time) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.SessionStore.RevokeSubject(ctx, subject, before)
}

func (b *brokenStore) RevokeBefore(ctx context.Context, before time.Time) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.SessionStore.RevokeBefore(ctx, before)
}

func TestNoSecretIsLogged(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	postJSON(t, f.Obtain(), `{"username":"hunter2","password":"swordfish"}`)
	postJSON(t, f.Obtain(), `{"username":"eve\n2026 WARN forged","password":"swordfish"}`)
	_, err := f.Renew(t.Context(), refresh)
	require.NoError(t, err)
	postJSON(t, f.Logout(), refreshBody(refresh))
	log := f.log.String()
	for _, secret := range []string{"hunter2", "swordfish", "correct horse", "forged", access, refresh} {
		assert.NotContains(t, log, secret)
	}
	for _, event := range []string{"authn_login_success", "authn_login_fail", "authn_token_created", "authn_token_rotated", "authn_token_revoked", "user_hash="} {
		assert.Contains(t, log, event)
	}
}

func TestAPairPrintsRedacted(t *testing.T) {
	pair, err := newFixture(t).Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	encoded, err := json.Marshal(pair)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pair", pair, "value", *pair)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pair", pair, "value", *pair)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %q %x %d", pair, pair, pair, pair, pair, pair, pair),
		fmt.Sprintf("%v %+v %#v %s", *pair, *pair, *pair, *pair), string(encoded), log.String(),
	} {
		assert.Contains(t, text, "REDACTED")
		assert.NotContains(t, text, pair.Access)
		assert.NotContains(t, text, pair.Refresh)
	}
}

func TestTheZeroServiceRefuses(t *testing.T) {
	var zero auth.Service
	for _, s := range []*auth.Service{&zero, nil} {
		for _, h := range []http.Handler{s.Obtain(), s.Refresh(), s.VerifyToken(), s.Logout()} {
			assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, h, goodLogin).Code)
		}
		_, err := s.Issue(t.Context(), "1", nil)
		assert.Error(t, err)
		_, err = s.Renew(t.Context(), "x")
		assert.Error(t, err)
		assert.Error(t, s.EndSession(t.Context(), "x"))
		assert.Error(t, s.EndSubject(t.Context(), "x"))
		assert.Error(t, s.EndAll(t.Context(), time.Time{}))
	}
}

func TestNewServiceReportsEveryMistake(t *testing.T) {
	_, err := auth.NewService(auth.ServiceConfig{})
	assert.EqualError(t, err, "auth: Verifier: missing\nauth: Users: missing\nauth: Sessions: missing")
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Keys = sourceFunc(func(string, auth.Algorithm) (*auth.Key, error) { return nil, auth.ErrUnknownKey })
		c.DangerouslyUntyped = true
	})
	_, err = auth.NewService(auth.ServiceConfig{
		Verifier: v, Users: &people{}, Sessions: auth.NewMemoryStore(1),
		AccessTTL: time.Millisecond, RefreshTTL: time.Microsecond, SessionTTL: time.Nanosecond, Grace: time.Hour,
	})
	assert.EqualError(t, err, `auth: Verifier: mismatch
auth: Verifier: conflict
auth: AccessTTL: invalid: "1ms"
auth: RefreshTTL: invalid: "1µs"
auth: SessionTTL: invalid: "1ns"
auth: Grace: invalid: "1h0m0s"`)
}

func TestServiceErrorHandler(t *testing.T) {
	var got error
	f := newFixture(t, func(c *auth.ServiceConfig) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		}
	})
	w := postJSON(t, f.Obtain(), `{"username":"alice","password":"x"}`)
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.Equal(t, `Bearer realm="api"`, w.Header().Get("WWW-Authenticate"))
	assert.ErrorIs(t, got, auth.ErrBadCredentials)
	postJSON(t, f.Obtain(), `{}`)
	var p *rampart.Problem
	assert.ErrorAs(t, got, &p)
	postJSON(t, f.Refresh(), refreshBody("x"))
	assert.Equal(t, auth.TokenMalformed, reason(got))
}
