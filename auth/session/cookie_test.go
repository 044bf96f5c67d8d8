package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

const cookieName = "__Host-refresh"

func withCookie(c *session.Config) { c.Cookie = cookieName }

// page posts to h as a script does that runs in a page of h's origin.
func page(tb testing.TB, h http.Handler, body string, cookies ...string) *httptest.ResponseRecorder {
	tb.Helper()
	return postWith(tb, h, body, http.Header{"Sec-Fetch-Site": {"same-origin"}}, cookies...)
}

func postWith(tb testing.TB, h http.Handler, body string, header http.Header, cookies ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/json")
	for _, value := range cookies {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// cookie returns the one cookie of an answer.
func cookie(tb testing.TB, w *httptest.ResponseRecorder) *http.Cookie {
	tb.Helper()
	set := w.Result().Cookies()
	require.Len(tb, set, 1, w.Body.String())
	return set[0]
}

func TestTheRefreshTokenTravelsInACookie(t *testing.T) {
	f := newFixture(t, withCookie, func(c *session.Config) { c.LegacyNames = true })
	w := page(t, f.IssueHandler(), goodLogin)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.NotEmpty(t, member(t, w, "access"))
	assert.NotContains(t, w.Body.String(), "refresh")
	first := cookie(t, w)
	assert.Regexp(t, `^__Host-refresh=[\w.-]+; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict$`, w.Header().Get("Set-Cookie"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	w = page(t, f.RefreshHandler(), "", first.Value)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.NotContains(t, w.Body.String(), "refresh")
	second := cookie(t, w)
	assert.NotEqual(t, first.Value, second.Value)

	w = page(t, f.EndSessionHandler(), "", second.Value)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Equal(t, "{}", w.Body.String())
	assert.Equal(t, "__Host-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict", w.Header().Get("Set-Cookie"))

	w = page(t, f.RefreshHandler(), "", second.Value)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Empty(t, w.Header()["Set-Cookie"])
	w = page(t, f.EndSessionHandler(), "", second.Value)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.Equal(t, -1, cookie(t, w).MaxAge, "a token that is no longer good goes, too")
}

func TestTheCookieStaysWithoutRotation(t *testing.T) {
	f := newFixture(t, withCookie, func(c *session.Config) { c.NoRotation = true })
	refresh := cookie(t, page(t, f.IssueHandler(), goodLogin)).Value
	w := page(t, f.RefreshHandler(), "", refresh)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Empty(t, w.Header()["Set-Cookie"])
}

func TestTheCookieStaysWhileNobodyCanSay(t *testing.T) {
	store := &brokenStore{Store: session.NewMemoryStore(0)}
	f := newFixture(t, withCookie, func(c *session.Config) { c.Sessions = store })
	refresh := cookie(t, page(t, f.IssueHandler(), goodLogin)).Value
	store.err = errors.New("down")
	w := page(t, f.EndSessionHandler(), "", refresh)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Empty(t, w.Header()["Set-Cookie"], "to try again")
}

func TestTheCookieStaysWhileNobodyCanSayWhatIsRevoked(t *testing.T) {
	f := newFixture(t, withCookie, func(c *session.Config) {
		c.Tokens.Revoked = func(context.Context, *auth.Token) (bool, error) { return false, errors.New("down") }
	})
	w := page(t, f.EndSessionHandler(), "", token("token_type", `"refresh"`))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Empty(t, w.Header()["Set-Cookie"], "to try again")
}

func TestTheCookieIsForPagesOfThisOriginOnly(t *testing.T) {
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := []struct {
		desc   string
		header http.Header
		ok     bool
	}{
		{"a page of this origin", header("Sec-Fetch-Site", "same-origin", "Origin", "https://example.com"), true},
		{"an old browser's page of this origin", header("Origin", "https://example.com"), true},
		{"another site", header("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"), false},
		{"a sibling domain", header("Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.com"), false},
		{"an old browser's page of another site", header("Origin", "https://evil.test"), false},
		{"a sandboxed page", header("Origin", "null"), false},
		{"neither header", header(), false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t, withCookie)
			refresh := cookie(t, page(t, f.IssueHandler(), goodLogin)).Value
			for _, h := range []http.Handler{f.IssueHandler(), f.RefreshHandler(), f.EndSessionHandler()} {
				w := postWith(t, h, goodLogin, tt.header, refresh)
				if tt.ok {
					assert.Equal(t, http.StatusOK, w.Code, w.Body.String())
					if h := w.Result().Cookies(); len(h) == 1 && h[0].Value != "" {
						refresh = h[0].Value
					}
					continue
				}
				assert.Equal(t, http.StatusForbidden, w.Code)
				assert.Equal(t, "cross_origin", member(t, w, "code"))
				assert.Empty(t, w.Header()["Set-Cookie"])
				assert.Empty(t, w.Header()["Www-Authenticate"])
			}
			if !tt.ok {
				assert.Contains(t, f.log.String(), "malicious_csrf")
				assert.Equal(t, http.StatusOK, page(t, f.RefreshHandler(), "", refresh).Code, "nothing happened to the session")
			}
		})
	}
}

func TestOnlyTheOneCookieIsRead(t *testing.T) {
	f := newFixture(t, withCookie)
	refresh := cookie(t, page(t, f.IssueHandler(), goodLogin)).Value
	for desc, cookies := range map[string][]string{"none": nil, "empty": {""}, "two": {refresh, refresh}, "another": {"x"}} {
		for _, h := range []http.Handler{f.RefreshHandler(), f.EndSessionHandler()} {
			w := page(t, h, refreshBody(refresh), cookies...)
			assert.Equal(t, http.StatusUnauthorized, w.Code, desc)
			assert.Equal(t, "token_not_valid", member(t, w, "code"), desc)
		}
	}
	assert.Equal(t, http.StatusOK, page(t, f.RefreshHandler(), "", refresh).Code)

	plain := newFixture(t)
	_, refresh = login(t, plain)
	w := page(t, plain.RefreshHandler(), "", refresh)
	assert.Equal(t, http.StatusBadRequest, w.Code, "a service without the setting reads no cookie")
}

func TestARefreshTokenFitsItsCookie(t *testing.T) {
	f := newFixture(t, withCookie)
	_, err := f.Issue(t.Context(), "1", map[string]any{"x": strings.Repeat("x", 2900)})
	assert.EqualError(t, err, "session: the claims make the refresh token longer than a cookie may be")
	_, err = newFixture(t).Issue(t.Context(), "1", map[string]any{"x": strings.Repeat("x", 2900)})
	assert.NoError(t, err)
}

func TestCookieNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"": true, "__Host-refresh": true, "refresh": false, "__Host-": false, "__Secure-x": false, "__host-x": false,
		"__Host-a b": false, "__Host-a;": false, "__Host-" + strings.Repeat("x", 99): false,
	} {
		_, err := session.New(session.Config{
			Tokens: auth.Simplejwt([]byte(secret)), Users: &people{}, Sessions: session.NewMemoryStore(1), Cookie: name, AccessTTL: time.Minute,
		})
		if ok {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "session.Config.Cookie: invalid")
		}
	}
}
