package session_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

// exchange is one recorded request to a token endpoint, with its answer.
type exchange struct {
	Config      string         `json:"config"`
	Case        string         `json:"case"`
	Method      string         `json:"method"`
	Path        string         `json:"path"`
	ContentType string         `json:"content_type"`
	Body        string         `json:"body"`
	Status      int            `json:"status"`
	Answer      map[string]any `json:"answer"`
	Challenge   string         `json:"challenge"`
}

// TestRecordedTokenRequests replays what simplejwt's token endpoints answered,
// with the grace off, each on a fresh store: 88 of the 219 recorded exchanges;
// TestRecordedRequests has the others. Each difference is listed with its
// reason.
func TestRecordedTokenRequests(t *testing.T) {
	const (
		words   = "a shorter text: it repeats nothing of the request"
		ended   = "200 there without the blacklist app; here the store is required, and a log-out always ends the session"
		once    = "200 there without the blacklist app; here a refresh token works once"
		active  = "200 there; here the user is asked for at every refresh"
		strict  = "200 there; a token names its kind"
		subject = "200 there; a token names its subject"
	)
	improvements := map[string]string{
		"obtain json array":     words,
		"obtain malformed json": words,
		"obtain text/plain":     words,
		"obtain GET":            words + ", and Allow is the one method",
		"obtain PUT":            words + ", and Allow is the one method",

		"obtain numeric password": "401 there, compared as its text; a password is a string",

		"seed: verify blacklisted refresh":                       ended,
		"seed: blacklist again":                                  ended,
		"seed_rotate_noapp: refresh after blacklist":             ended,
		"seed_rotate_noapp: refresh reuse of same refresh token": once,
		"rotate: verify blacklisted refresh":                     "400 with non_field_errors there; a token that is not good is 401 at every endpoint",

		"refresh inactive user":         active,
		"refresh unknown user":          active,
		"refresh after deactivation":    active,
		"refresh after user deleted":    active,
		"refresh after password change": "200 there; here a password change ends the sessions",
		"refresh no user_id":            subject,
		"verify no token_type":          strict,

		"sliding refresh_exp passed": "\"Token 'refresh_exp' claim has expired\" there; what is no longer good has one text here",

		"refresh custom claim copied": "role is copied there and here; nbf is not: a token's times are its own",
	}
	text, err := os.ReadFile("testdata/simplejwt_endpoints.json")
	require.NoError(t, err)
	var file struct {
		Now  map[string]int64 `json:"now"`
		Rows []exchange       `json:"rows"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Rows, 88)
	used := map[string]bool{}
	for _, x := range file.Rows {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Unix(file.Now[x.Config], 0)))
			w := replay(t, x)
			why, listed := improvements[x.Config+": "+x.Case]
			used[x.Config+": "+x.Case] = true
			if !listed {
				why, listed = improvements[x.Case]
				used[x.Case] = true
			}
			difference := x.difference(t, w)
			assert.Equal(t, listed, difference != "", "%s: %s: %s; %d %s; listed as %q", x.Config, x.Case, difference, w.Code, w.Body, why)
		})
	}
	for name := range improvements {
		assert.True(t, used[name], "no such case: %s", name)
	}
}

// replay sends x to a service that has seen what Django had seen by then.
func replay(t *testing.T, x exchange) *httptest.ResponseRecorder {
	t.Helper()
	s, users := djangosService(t, x.Config)
	send := func(h http.Handler, method, contentType string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, x.Path, strings.NewReader(x.Body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	switch {
	case x.Case == "verify blacklisted refresh":
		body := strings.Replace(x.Body, `"token"`, `"refresh"`, 1)
		require.Equal(t, http.StatusOK, postJSON(t, s.EndSessionHandler(), body).Code)
	case x.Case == "blacklist again", x.Case == "refresh after blacklist":
		require.Equal(t, http.StatusOK, postJSON(t, s.EndSessionHandler(), x.Body).Code)
	case x.Case == "refresh reuse of same refresh token":
		require.Equal(t, http.StatusOK, postJSON(t, s.RefreshHandler(), x.Body).Code)
	case x.Case == "sliding refresh old token again":
		require.Equal(t, http.StatusOK, postJSON(t, s.SlideHandler(), x.Body).Code)
	case x.Case == "refresh after password change":
		require.NoError(t, errOf(s.EndSubject(t.Context(), "1")))
	case slices.Contains([]string{
		"obtain inactive user", "refresh inactive user", "refresh unknown user",
		"refresh after deactivation", "refresh after user deleted",
	}, x.Case):
		users.inactive = true
	}
	h := map[string]http.Handler{
		"/api/token/":           s.IssueHandler(),
		"/api/token/refresh/":   s.RefreshHandler(),
		"/api/token/verify/":    s.VerifyHandler(),
		"/api/token/blacklist/": s.EndSessionHandler(),
		"/api/sliding/":         s.IssueSlidingHandler(),
		"/api/sliding/refresh/": s.SlideHandler(),
	}[x.Path]
	require.NotNil(t, h, x.Path)
	return send(h, x.Method, x.ContentType)
}

// djangosService is configured as the Django deployment was.
func djangosService(t *testing.T, config string) (*session.Service, *people) {
	t.Helper()
	text, err := os.ReadFile("../testdata/simplejwt_tokens.json")
	require.NoError(t, err)
	var recorded struct {
		Secret string            `json:"secret"`
		Keys   map[string]string `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(text, &recorded))
	users := &people{password: "correct-horse"}
	cfg := session.Simplejwt([]byte(recorded.Secret))
	if config == "rs256" {
		key, err := auth.ParseKey(auth.RS256, "", []byte(recorded.Keys["rsa_private"]))
		require.NoError(t, err)
		cfg.Tokens.Keys, err = auth.NewKeys(key)
		require.NoError(t, err)
		cfg.Tokens.Issuer, cfg.Tokens.Audiences = "issuer", []string{"api"}
	}
	cfg.Users, cfg.Sessions, cfg.Grace, cfg.Logger = ana{users}, session.NewMemoryStore(0), -1, slog.New(slog.DiscardHandler)
	cfg.NoRotation = config != "rotate" && config != "seed_rotate_noapp"
	s, err := session.New(cfg)
	require.NoError(t, err)
	return s, users
}

// ana is the recorded account.
type ana struct{ *people }

func (a ana) Login(ctx context.Context, name, password string) (string, error) {
	if name != "ana" {
		return "", session.ErrBadCredentials
	}
	return a.people.Login(ctx, "alice", password)
}

// difference says in what w is not the recorded answer. Members that ours has
// besides the recorded ones are those of RFC 9457; of tokens the names of the
// claims are compared: ours have sid and auth_time besides.
func (x exchange) difference(tb testing.TB, w *httptest.ResponseRecorder) string {
	tb.Helper()
	var ours map[string]any
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &ours))
	switch {
	case w.Code != x.Status:
		return "status"
	case w.Header().Get("WWW-Authenticate") != x.Challenge:
		return "challenge"
	case x.Status == http.StatusOK && !slices.Equal(slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(x.Answer))):
		return "members"
	}
	for name, want := range x.Answer {
		if x.Status != http.StatusOK {
			if !assert.ObjectsAreEqual(want, ours[name]) {
				return name
			}
			continue
		}
		theirs, _ := want.(string)
		mine, _ := ours[name].(string)
		if !slices.Equal(slices.Sorted(slices.Values(append(claimNames(tb, theirs), "sid", "auth_time"))), claimNames(tb, mine)) {
			return "claims of " + name
		}
	}
	return ""
}

func claimNames(tb testing.TB, raw string) []string {
	tb.Helper()
	var m map[string]any
	require.NoError(tb, json.Unmarshal([]byte(payload(tb, raw)), &m))
	return slices.Sorted(maps.Keys(m))
}
