package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

func withAnswers(a session.Style) func(*session.Config) {
	return func(c *session.Config) { c.Style = a }
}

const oauthLogin = `{"grant_type":"password","username":"alice","password":"correct horse"}`

func TestOAuthAnswers(t *testing.T) {
	f := newFixture(t, withAnswers(session.StyleOAuth))
	tokens := func(w *httptest.ResponseRecorder) (access, refresh string) {
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		var m map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &m))
		assert.Len(t, m, 4)
		assert.Equal(t, "Bearer", m["token_type"])
		assert.InDelta(t, 300, m["expires_in"], 1)
		access, _ = m["access_token"].(string)
		refresh, _ = m["refresh_token"].(string)
		return access, refresh
	}
	access, refresh := tokens(postJSON(t, f.IssueHandler(), oauthLogin))
	_, err := f.v.Verify(t.Context(), access, auth.Access)
	require.NoError(t, err)
	_, second := tokens(post(t, f.RefreshHandler(), "application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token="+refresh))
	_, third := tokens(postJSON(t, f.RefreshHandler(), `{"refresh_token":"`+second+`"}`))
	w := postJSON(t, f.EndSessionHandler(), `{"refresh_token":"`+third+`"}`)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.JSONEq(t, "{}", w.Body.String())

	w = postJSON(t, f.IssueSlidingHandler(), goodLogin)
	var m map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &m))
	assert.Len(t, m, 3)
	assert.InDelta(t, 300, m["expires_in"], 1)
	sliding, _ := m["access_token"].(string)
	w = postJSON(t, f.SlideHandler(), `{"token":"`+sliding+`"}`)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &m))
	assert.InDelta(t, 300, m["expires_in"], 1)
	assert.NotEmpty(t, m["access_token"])
	assert.JSONEq(t, "{}", postJSON(t, f.VerifyHandler(), `{"token":"`+sliding+`"}`).Body.String())
}

// TestASlidingTokenNearItsEndSaysSo: expires_in is what the token says, not AccessTTL.
func TestASlidingTokenNearItsEndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withAnswers(session.StyleOAuth), func(c *session.Config) { c.AccessTTL, c.RefreshTTL = 5*time.Minute, 5*time.Minute })
		sliding := member(t, postJSON(t, f.IssueSlidingHandler(), goodLogin), "access_token")
		time.Sleep(time.Minute)
		w := postJSON(t, f.SlideHandler(), `{"token":"`+sliding+`"}`)
		assert.Contains(t, w.Body.String(), `"expires_in":240}`)
	})
}

func TestOAuthRefusals(t *testing.T) {
	f := newFixture(t, withAnswers(session.StyleOAuth))
	pair, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = f.EndSession(t.Context(), pair.Session)
	require.NoError(t, err)
	for _, tt := range []struct {
		desc    string
		handler http.Handler
		body    string
		status  int
		want    string
	}{
		{"a wrong password", f.IssueHandler(), `{"username":"alice","password":"x"}`, 400, `{"error":"invalid_grant","error_description":"The name or the password is wrong, or the account may not log in."}`},
		{"a token that has ended", f.RefreshHandler(), `{"refresh_token":"` + pair.Refresh + `"}`, 400, `{"error":"invalid_grant","error_description":"The session has ended."}`},
		{"no token", f.RefreshHandler(), `{"refresh_token":"x"}`, 400, `{"error":"invalid_grant","error_description":"The token is not valid, or has expired."}`},
		{"a missing field", f.IssueHandler(), `{"username":"alice"}`, 400, `{"error":"invalid_request","error_description":"Invalid input. password: This field is required."}`},
		{"a field of another type", f.IssueHandler(), `{"username":"alice","password":1}`, 400, `{"error":"invalid_request","error_description":"Invalid input. password: Not a valid string."}`},
		{"the name of other answers", f.RefreshHandler(), `{"refresh":"x"}`, 400, `{"error":"invalid_request","error_description":"Invalid input. refresh_token: This field is required."}`},
		{"no JSON", f.RefreshHandler(), `{`, 400, ``},
		{"another grant", f.IssueHandler(), `{"grant_type":"client_credentials","username":"a","password":"b"}`, 400, `{"error":"unsupported_grant_type","error_description":"This endpoint serves the grant_type password."}`},
		{"the grant of another endpoint", f.RefreshHandler(), `{"grant_type":"password","refresh_token":"x"}`, 400, `{"error":"unsupported_grant_type","error_description":"This endpoint serves the grant_type refresh_token."}`},
	} {
		w := postJSON(t, tt.handler, tt.body)
		assert.Equal(t, tt.status, w.Code, tt.desc)
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Empty(t, w.Header().Get("WWW-Authenticate"), tt.desc)
		if tt.want == "" {
			assert.Equal(t, "invalid_request", member(t, w, "error"))
			continue
		}
		assert.JSONEq(t, tt.want, w.Body.String(), tt.desc)
	}
	f.users.err = errors.New("down")
	w := postJSON(t, f.IssueHandler(), oauthLogin)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "temporarily_unavailable", member(t, w, "error"))
	assert.Equal(t, "1", w.Header().Get("Retry-After"))

	for refuse, want := range map[error][2]any{
		errors.New("no"):              {429, "throttled"},
		&rampart.Problem{Code: "odd"}: {500, "odd"},
	} {
		f = newFixture(t, withAnswers(session.StyleOAuth), func(c *session.Config) {
			c.Guard = func(context.Context, *http.Request, string) (func(error), error) { return nil, refuse }
		})
		w = postJSON(t, f.IssueHandler(), oauthLogin)
		assert.Equal(t, want[0], w.Code)
		assert.Equal(t, want[1], member(t, w, "error"))
	}
}

func TestAnErrorHandlerSeesTheOAuthRefusal(t *testing.T) {
	var seen *rampart.Problem
	f := newFixture(t, withAnswers(session.StyleOAuth), func(c *session.Config) {
		c.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) {
			refusal, ok := errors.AsType[rampart.Refusal](err)
			require.True(t, ok)
			seen = refusal.Problem()
		}
	})
	postJSON(t, f.IssueHandler(), `{"username":"alice","password":"x"}`)
	assert.Equal(t, http.StatusBadRequest, seen.Status)
	assert.Equal(t, "invalid_grant", seen.Code)
}

// TestTheTextsOfAnswers: Django's are for its clients, the others for people; what
// programs go by, status and code, is the same.
func TestTheTextsOfAnswers(t *testing.T) {
	for _, tt := range []struct {
		desc, django, plain string
		status              int
		code                string
		ask                 func(*fixture) *httptest.ResponseRecorder
	}{
		{"a wrong password", "No active account found with the given credentials", "The name or the password is wrong, or the account may not log in.", 401, "no_active_account", func(f *fixture) *httptest.ResponseRecorder {
			return postJSON(t, f.IssueHandler(), `{"username":"alice","password":"x"}`)
		}},
		{"a log-out", "Token is blacklisted", "The session has ended.", 401, "token_not_valid", func(f *fixture) *httptest.ResponseRecorder {
			pair, err := f.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			_, err = f.EndSession(t.Context(), pair.Session)
			require.NoError(t, err)
			return postJSON(t, f.RefreshHandler(), refreshBody(pair.Refresh))
		}},
		{"an inactive account", "No active account found for the given token.", "The account may no longer log in.", 401, "no_active_account", func(f *fixture) *httptest.ResponseRecorder {
			pair, err := f.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
			f.users.inactive = true
			return postJSON(t, f.RefreshHandler(), refreshBody(pair.Refresh))
		}},
		{"no token", "Token is invalid or expired", "The token is not valid, or has expired.", 401, "token_not_valid", func(f *fixture) *httptest.ResponseRecorder {
			return postJSON(t, f.RefreshHandler(), refreshBody("x"))
		}},
		{"a guard", "Request was throttled.", "Too many attempts. Try again later.", 429, "throttled", func(f *fixture) *httptest.ResponseRecorder {
			guarded := newFixture(t, withAnswers(f.answers), func(c *session.Config) {
				c.Guard = func(context.Context, *http.Request, string) (func(error), error) { return nil, errors.New("no") }
			})
			return postJSON(t, guarded.IssueHandler(), goodLogin)
		}},
	} {
		for answers, want := range map[session.Style]string{session.StyleDjango: tt.django, session.StylePlain: tt.plain} {
			f := newFixture(t, withAnswers(answers))
			f.answers = answers
			w := tt.ask(f)
			assert.Equal(t, tt.status, w.Code, tt.desc)
			assert.Equal(t, want, member(t, w, "detail"), tt.desc)
			assert.Equal(t, tt.code, member(t, w, "code"), tt.desc)
		}
	}
	w := postJSON(t, newFixture(t, withAnswers(session.StylePlain)).IssueHandler(), `{"username":"alice"}`)
	assert.Equal(t, http.StatusUnprocessableEntity, w.Code)
	assert.JSONEq(t, `{"title":"Unprocessable Entity","status":422,"detail":"Invalid input.","code":"invalid","errors":[{"pointer":"#/password","code":"required","detail":"This field is required."}]}`, w.Body.String())
	w = postJSON(t, newFixture(t).IssueHandler(), `{"username":"alice"}`)
	assert.Equal(t, http.StatusBadRequest, w.Code, "Simplejwt has Django's")
	assert.Contains(t, w.Body.String(), `"password":["This field is required."]`)
	w = postJSON(t, newFixture(t, withAnswers(session.StylePlain)).IssueHandler(), goodLogin)
	assert.NotContains(t, w.Body.String(), "expires_in")
}
