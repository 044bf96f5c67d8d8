package session_test

import (
	"encoding/json"
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
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

const goodLogin = `{"username":"alice","password":"correct horse"}`

// login returns a fresh pair of tokens.
func login(tb testing.TB, f *fixture) (access, refresh string) {
	tb.Helper()
	w := postJSON(tb, f.IssueHandler(), goodLogin)
	require.Equal(tb, http.StatusOK, w.Code, w.Body.String())
	return member(tb, w, "access"), member(tb, w, "refresh")
}

func refreshBody(refresh string) string { return fmt.Sprintf(`{"refresh":%q}`, refresh) }

func TestTheTokensHaveSimplejwtsClaims(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	assert.Regexp(t, `^\{"token_type":"access","exp":\d+,"iat":\d+,"jti":"[A-Z2-7]{26}","user_id":1,"sid":"[A-Z2-7]{26}","auth_time":\d+(\.\d{1,6})?\}$`, payload(t, access))
	assert.Regexp(t, `^\{"token_type":"refresh","exp":\d+,"iat":\d+,"jti":"([A-Z2-7]{26})\.1","user_id":1,"sid":"[A-Z2-7]{26}","auth_time":\d+(\.\d{1,6})?\}$`, payload(t, refresh))
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
	unread := func(pointer, code, detail string) string {
		return fmt.Sprintf(`{"title":"Bad Request","status":400,"code":"parse_error","detail":"Malformed request.","errors":[{"pointer":%q,"code":%q,"detail":%q}]}`, pointer, code, detail)
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
		{"null for a field", "application/json", `{"username":"alice","password":null}`, 400, one("password", "null", "This field may not be null.")},
		{"an unknown field", "application/json", `{"username":"alice","password":"x","csrf":[{}]}`, 401, ""},
		{"a number", "application/json", `{"username":"alice","password":1}`, 400, one("password", "invalid", "Not a valid string.")},
		{"both missing", "application/json", `{}`, 400, fmt.Sprintf(fieldError,
			`{"pointer":"#/username","code":"required","detail":"This field is required."},{"pointer":"#/password","code":"required","detail":"This field is required."}`,
			`"username":["This field is required."],"password":["This field is required."]`)},
		{"an array", "application/json", `[1]`, 400, fmt.Sprintf(fieldError,
			`{"pointer":"#","code":"invalid","detail":"Invalid data. Expected a dictionary."}`, `"non_field_errors":["Invalid data. Expected a dictionary."]`)},
		{"truncated JSON", "application/json", `{"username":`, 400, unread("#/username", "syntax", "Not valid JSON at byte 12.")},
		{"no body", "application/json", ``, 400, unread("#", "syntax", "No JSON value.")},
		{"a name twice", "application/json", `{"username":"alice","username":"alice","password":"correct horse"}`, 400, unread("#/username", "duplicate_name", "The name is there twice.")},
		{"deep nesting", "application/json", strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), 400, unread("#", "too_deep", "Nested too deeply.")},
		{"invalid UTF-8", "application/json", "{\"username\":\"\xff\",\"password\":\"x\"}", 400, unread("#", "invalid_utf8", "The request body is not valid UTF-8.")},
		{"a field twice in a form", "application/x-www-form-urlencoded", "username=alice&username=bob&password=x", 400, one("username", "repeated", "This field is there more than once.")},
		{"invalid UTF-8 in a form", "application/x-www-form-urlencoded", "username=%ff&password=x", 400, unread("#", "invalid_utf8", "A parameter is not valid UTF-8.")},
		{"a malformed form", "application/x-www-form-urlencoded", "username=%zz", 400, unread("#", "syntax", "A percent sign without two hexadecimal digits.")},
		{"no media type", "", goodLogin, 415, `{"title":"Unsupported Media Type","status":415,"code":"unsupported_media_type","detail":"Unsupported media type in request."}`},
		{"XML", "application/xml", "<x/>", 415, ""},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415, ""},
		{"another charset", "application/json; charset=utf-16", goodLogin, 415, ""},
		{"a huge body", "application/json", `{"username":"` + strings.Repeat("a", 1<<20) + `"}`, 413, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t)
			w := post(t, f.IssueHandler(), tt.contentType, tt.body)
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
	for _, h := range []http.Handler{f.IssueHandler(), f.RefreshHandler(), f.VerifyHandler(), f.EndSessionHandler()} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "POST", w.Header().Get("Allow"))
	}
}

func TestIssue(t *testing.T) {
	f := newFixture(t)
	pair, err := f.Issue(t.Context(), "alice", map[string]any{"scope": "a", "tenant": map[string]int{"b": 2, "a": 1}})
	require.NoError(t, err)
	assert.Contains(t, payload(t, pair.Access), `,"scope":"a","tenant":{"a":1,"b":2}}`)
	pair, err = f.Refresh(t.Context(), pair.Refresh)
	require.NoError(t, err)
	assert.Contains(t, payload(t, pair.Access), `,"scope":"a","tenant":{"a":1,"b":2}}`, "claims go on")

	for _, subject := range []string{"", strings.Repeat("x", 256)} {
		_, err = f.Issue(t.Context(), subject, nil)
		assert.EqualError(t, err, "session: a subject has 1 to 255 bytes")
	}
	for _, claim := range []string{"exp", "sub", "jti", "token_type", "user_id", "iss"} {
		_, err = f.Issue(t.Context(), "1", map[string]any{claim: 1})
		assert.EqualError(t, err, fmt.Sprintf(`session: claim %q is set by the service`, claim))
	}
	_, err = f.Issue(t.Context(), "1", map[string]any{"x": func() {}})
	assert.ErrorContains(t, err, `session: claim "x"`)
	_, err = f.Issue(t.Context(), "1", map[string]any{"x": strings.Repeat("x", 9000)})
	assert.EqualError(t, err, "session: the claims make the token longer than MaxBytes")
}

func TestLogout(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	w := postJSON(t, f.EndSessionHandler(), refreshBody(refresh))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "{}", w.Body.String())

	for _, h := range []http.Handler{f.EndSessionHandler(), f.RefreshHandler()} {
		w = postJSON(t, h, refreshBody(refresh))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Equal(t, "Token is blacklisted", member(t, w, "detail"))
	}
	w = serve(t, f.v, access)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, f.EndSessionHandler(), refreshBody(access)).Code)
}

func TestVerifyToken(t *testing.T) {
	f := newFixture(t)
	access, first := login(t, f)
	verify := func(raw string) int {
		return postJSON(t, f.VerifyHandler(), fmt.Sprintf(`{"token":%q}`, raw)).Code
	}
	assert.Equal(t, http.StatusOK, verify(access))
	assert.Equal(t, http.StatusOK, verify(first))
	assert.Equal(t, http.StatusUnauthorized, verify("x"))
	pair, err := f.Refresh(t.Context(), first)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, verify(first), "used")
	assert.Equal(t, http.StatusOK, verify(pair.Refresh), "asking did not end the session")
	require.NoError(t, errOf(f.EndSession(t.Context(), pair.Session)))
	assert.Equal(t, http.StatusUnauthorized, verify(pair.Refresh))
	assert.Equal(t, http.StatusUnauthorized, verify(access))
	foreign := token("token_type", `"refresh"`)
	assert.Equal(t, http.StatusOK, verify(foreign), "another issuer's, unused")
	assert.Equal(t, http.StatusOK, verify(foreign), "asking does not use it")
	_, err = f.Refresh(t.Context(), foreign)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, verify(foreign), "used")
	require.NoError(t, errOf(f.EndSubject(t.Context(), "1")))
	unused := token("token_type", `"refresh"`, "jti", `"unused"`)
	assert.Equal(t, http.StatusUnauthorized, verify(unused), "made before the sessions of its subject were ended")
}

func TestEndSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		access, refresh := login(t, f)
		other, err := f.Issue(t.Context(), "2", nil)
		require.NoError(t, err)
		require.NoError(t, errOf(f.EndSubject(t.Context(), "1")))
		_, err = f.v.Verify(t.Context(), access, auth.Access)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = f.Refresh(t.Context(), refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		_, err = f.Refresh(t.Context(), other.Refresh)
		assert.NoError(t, err)

		time.Sleep(time.Millisecond) // the same second
		_, refresh = login(t, f)
		_, err = f.Refresh(t.Context(), refresh)
		assert.NoError(t, err)
		assert.Error(t, errOf(f.EndSubject(t.Context(), "")))
	})
}

func TestALoginThatRacesAPasswordChangeMakesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.users.onLogin = func() {
			time.Sleep(time.Second)
			assert.NoError(t, errOf(f.EndSubject(t.Context(), "1")))
		}
		w := postJSON(t, f.IssueHandler(), goodLogin)
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
		_, err := f.Refresh(t.Context(), old)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		pair, err := f.Refresh(t.Context(), young)
		require.NoError(t, err)
		require.NoError(t, f.EndAll(t.Context(), time.Time{}))
		_, err = f.Refresh(t.Context(), pair.Refresh)
		assert.Equal(t, auth.TokenRevoked, reason(err))
		assert.Error(t, f.EndAll(t.Context(), time.Now().Add(time.Hour)))
	})
}

func TestLegacyNames(t *testing.T) {
	f := newFixture(t, func(c *session.Config) { c.LegacyNames = true })
	w := postJSON(t, f.IssueHandler(), goodLogin)
	for _, name := range []string{"access", "refresh"} {
		assert.NotEmpty(t, member(t, w, name))
		assert.Equal(t, member(t, w, name), member(t, w, name+"_token"))
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
	var zero session.Service
	for _, s := range []*session.Service{&zero, nil} {
		for _, h := range []http.Handler{s.IssueHandler(), s.RefreshHandler(), s.VerifyHandler(), s.EndSessionHandler()} {
			assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, h, goodLogin).Code)
		}
		_, err := s.Issue(t.Context(), "1", nil)
		assert.Error(t, err)
		_, err = s.Refresh(t.Context(), "x")
		assert.Error(t, err)
		assert.Error(t, errOf(s.EndSession(t.Context(), "x")))
		assert.Error(t, errOf(s.EndSubject(t.Context(), "x")))
		assert.Error(t, errOf(s.Sessions(t.Context(), "x")))
		assert.Error(t, s.EndAll(t.Context(), time.Time{}))
	}
}

func TestNewServiceReportsEveryMistake(t *testing.T) {
	_, err := session.New(session.Config{})
	assert.Equal(t, "Keys: missing\nIssuer: missing\nAudiences: missing\nUsers: missing\nSessions: missing", conferrtest.Text(err))
	tokens := auth.Simplejwt(nil)
	_, err = session.New(session.Config{Tokens: tokens, Users: &people{}, Sessions: session.NewMemoryStore(1)})
	assert.Equal(t, "material: weak", conferrtest.Text(err))
	tokens.Keys, err = auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: "https://issuer.example/jwks", Algorithms: []auth.Algorithm{auth.RS256}})
	require.NoError(t, err)
	tokens.DangerouslyUntyped = true
	revocations, err := auth.NewRevocations(auth.RevocationsConfig{})
	require.NoError(t, err)
	_, err = session.New(session.Config{
		Tokens: tokens, Users: &people{}, Sessions: session.NewMemoryStore(1), Revocations: revocations,
		AccessTTL: time.Millisecond, RefreshTTL: time.Microsecond, SessionTTL: time.Nanosecond, Grace: time.Hour,
	})
	assert.Equal(t, `Tokens.Keys: mismatch
Tokens.DangerouslyUntyped: conflict
Tokens.Revoked: missing
AccessTTL: invalid: "1ms"
RefreshTTL: invalid: "1µs"
SessionTTL: invalid: "1ns"
Grace: invalid: "1h0m0s"`, conferrtest.Text(err))
	cfg := session.Simplejwt([]byte(secret))
	cfg.Users, cfg.Sessions = &people{}, session.NewMemoryStore(1)
	cfg.AccessTTL, cfg.RefreshTTL, cfg.SessionTTL, cfg.Grace = time.Second, time.Second, time.Second, time.Minute
	_, err = session.New(cfg)
	require.NoError(t, err, "the least and the most that may be")
}

func TestServiceErrorHandler(t *testing.T) {
	var got error
	f := newFixture(t, func(c *session.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		}
	})
	w := postJSON(t, f.IssueHandler(), `{"username":"alice","password":"x"}`)
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.Equal(t, `Bearer realm="api"`, w.Header().Get("WWW-Authenticate"))
	assert.ErrorIs(t, got, session.ErrBadCredentials)
	postJSON(t, f.IssueHandler(), `{}`)
	var p *rampart.Problem
	assert.ErrorAs(t, got, &p)
	postJSON(t, f.RefreshHandler(), refreshBody("x"))
	assert.Equal(t, auth.TokenMalformed, reason(got))
}
