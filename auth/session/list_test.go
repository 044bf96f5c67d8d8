package session_test

import (
	"errors"
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
	"github.com/ecolaura/rampart/internal/jose"
)

func TestALoginRecordsTheDevice(t *testing.T) {
	for desc, tt := range map[string]struct{ agent, want string }{
		"a browser":              {"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"},
		"none":                   {"", ""},
		"other scripts":          {"Büro 日本 📱", "Büro 日本 📱"},
		"128 bytes":              {strings.Repeat("a", 128), strings.Repeat("a", 128)},
		"129 bytes":              {strings.Repeat("a", 129), strings.Repeat("a", 128)},
		"8 KB":                   {strings.Repeat("日", 8192/3), strings.Repeat("日", 42)}, // 126 bytes: no half a character
		"invalid UTF-8":          {"a\xffb\xe6\x97c", "abc"},
		"controls":               {"a\x00b\r\nc\x1b[31m\x7f\u0085d\te", "abc[31mde"},
		"separators and formats": {"a\u2028b\u202ec\u200bd\u00a0e", "abcde"},
		"junk is not counted":    {strings.Repeat("\x00\xff", 200) + "phone", "phone"},
		"a replacement":          {"a\ufffdb", "a\ufffdb"},
	} {
		for kind, handler := range map[string]func(*session.Service) http.Handler{
			"a pair":          (*session.Service).IssueHandler,
			"a sliding token": (*session.Service).IssueSlidingHandler,
		} {
			t.Run(desc+", "+kind, func(t *testing.T) {
				f := newFixture(t)
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(goodLogin))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("User-Agent", tt.agent)
				w := httptest.NewRecorder()
				handler(f.Service).ServeHTTP(w, r)
				require.Equal(t, http.StatusOK, w.Code)
				live, err := f.Sessions(t.Context(), "1")
				require.NoError(t, err)
				require.Len(t, live, 1)
				assert.Equal(t, tt.want, live[0].Device)
			})
		}
	}
}

func TestASessionWithoutALoginHasNoDevice(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, errOf(f.Issue(t.Context(), "1", nil)))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(refreshBody(token("token_type", `"refresh"`))))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "phone")
	w := httptest.NewRecorder()
	f.RefreshHandler().ServeHTTP(w, r) // adopted: nobody knows from where it came
	require.Equal(t, http.StatusOK, w.Code)
	live, err := f.Sessions(t.Context(), "1")
	require.NoError(t, err)
	require.Len(t, live, 2)
	assert.Empty(t, live[0].Device)
	assert.Empty(t, live[1].Device)
}

func TestSessionsAreTheNewest100(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var last *session.Pair
		for range 101 {
			time.Sleep(time.Second)
			var err error
			last, err = f.Issue(t.Context(), "1", nil)
			require.NoError(t, err)
		}
		live, err := f.Sessions(t.Context(), "1")
		require.NoError(t, err)
		assert.Len(t, live, 100)
		assert.Equal(t, last.Session, live[0].ID)
		assert.Error(t, errOf(f.Sessions(t.Context(), "")))
		time.Sleep(25 * time.Hour)
		live, err = f.Sessions(t.Context(), "1")
		require.NoError(t, err)
		assert.Empty(t, live, "idle for longer than RefreshTTL")
	})
}

func TestEndingTellsHowManySessions(t *testing.T) {
	f := newFixture(t)
	pair, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, errOf(f.Issue(t.Context(), "1", nil)))
	}
	for desc, tt := range map[string]struct {
		id   string
		want int
	}{
		"a session":                {pair.Session, 1},
		"one that nobody knows":    {jose.NewSession(), 0},
		"a text that is no id":     {"x", 0},
		"nothing":                  {"", 0},
		"one that ended before it": {pair.Session, 1},
	} {
		ended, err := f.EndSession(t.Context(), tt.id)
		assert.NoError(t, err, desc)
		assert.Equal(t, tt.want, ended, desc)
	}
	for _, want := range []int{2, 0} {
		ended, err := f.EndSubject(t.Context(), "1")
		assert.NoError(t, err)
		assert.Equal(t, want, ended)
	}
}

func TestWhatEndedIsToldAlsoIfTheOthersDoNotHearOfIt(t *testing.T) {
	feed := &silent{err: errors.New("down")}
	r, err := auth.NewRevocations(auth.RevocationsConfig{Feed: feed, Outage: rampart.FailClosed, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	f := newFixture(t, func(c *session.Config) { c.Revocations, c.Tokens.Revoked = r, r.Revoked })
	pair, err := f.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	require.NoError(t, errOf(f.Issue(t.Context(), "1", nil)))
	ended, err := f.EndSession(t.Context(), pair.Session)
	assert.ErrorIs(t, err, feed.err)
	assert.Equal(t, 1, ended)
	ended, err = f.EndSession(t.Context(), jose.NewSession())
	assert.ErrorIs(t, err, feed.err, "another issuer may have made it")
	assert.Zero(t, ended)
	ended, err = f.EndSubject(t.Context(), "1")
	assert.ErrorIs(t, err, feed.err)
	assert.Equal(t, 1, ended)
	assert.NotContains(t, f.log.String(), "authn_token_revoked")
}

func TestAnAccessTokenDoesNotOutliveTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *session.Config) {
			c.NoRotation = true
			c.AccessTTL, c.RefreshTTL, c.SessionTTL = 48*time.Hour, 72*time.Hour, 30*24*time.Hour
		})
		pair, err := f.Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		began := time.Now()
		assert.Equal(t, 48*time.Hour, pair.AccessExpires.Sub(began))
		time.Sleep(71 * time.Hour)
		pair, err = f.Refresh(t.Context(), pair.Refresh)
		require.NoError(t, err)
		assert.Equal(t, (72+24)*time.Hour, pair.AccessExpires.Sub(began), "a store may delete the row a day after it expired")
	})
}
