package session_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose/josetest"
	"github.com/ecolaura/rampart/internal/logtest"
)

const (
	secret      = josetest.Secret
	plainHeader = josetest.PlainHeader
)

var (
	b64     = josetest.B64
	token   = josetest.Token
	payload = josetest.Payload
)

func newKey(tb testing.TB) *auth.Key {
	tb.Helper()
	key, err := auth.NewKey(auth.HS256, "", []byte(secret))
	require.NoError(tb, err)
	return key
}

func newVerifier(tb testing.TB, change ...func(*auth.VerifierConfig)) *auth.Verifier {
	tb.Helper()
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Logger = slog.New(slog.DiscardHandler)
	for _, f := range change {
		f(&cfg)
	}
	v, err := auth.NewVerifier(cfg)
	require.NoError(tb, err)
	return v
}

// reason returns why err refuses a token; empty for nil.
func reason(err error) rampart.Denial {
	if err == nil {
		return ""
	}
	var te *auth.TokenError
	if !assert.ErrorAs(failer{}, err, &te) {
		return "not a *TokenError"
	}
	return te.Reason
}

type failer struct{}

func (failer) Errorf(string, ...any) {}

// errOf returns the error of a call that answers something, too.
func errOf[T any](_ T, err error) error { return err }

// people is a Users with one account.
type people struct {
	mu       sync.Mutex
	password string
	inactive bool
	claims   map[string]any
	err      error
	onLogin  func()
}

func (p *people) Login(_ context.Context, name, password string) (string, error) {
	if p.onLogin != nil {
		p.onLogin()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return "", p.err
	case name != "alice" || password != p.password || p.inactive:
		return "", session.ErrBadCredentials
	}
	return "1", nil
}

func (p *people) Active(context.Context, string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.inactive, p.err
}

func (p *people) Claims(context.Context, string) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims, nil
}

type fixture struct {
	*session.Service
	v       *auth.Verifier
	store   *session.MemoryStore
	users   *people
	log     *logtest.Records
	answers session.Style
}

func newFixture(tb testing.TB, change ...func(*session.Config)) *fixture {
	tb.Helper()
	f := &fixture{store: session.NewMemoryStore(0), users: &people{password: "correct horse"}, log: &logtest.Records{}}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	cfg := session.Simplejwt([]byte(secret))
	cfg.Tokens.Revoked, cfg.Tokens.Logger = session.RevokedIn(f.store), logger
	cfg.Users, cfg.Sessions, cfg.NoRotation, cfg.Logger = f.users, f.store, false, logger
	for _, c := range change {
		c(&cfg)
	}
	var err error
	f.v, err = auth.NewVerifier(cfg.Tokens)
	require.NoError(tb, err)
	f.Service, err = session.New(cfg)
	require.NoError(tb, err)
	return f
}

func postJSON(tb testing.TB, h http.Handler, body string) *httptest.ResponseRecorder {
	tb.Helper()
	return post(tb, h, "application/json", body)
}

func post(tb testing.TB, h http.Handler, contentType, body string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func member(tb testing.TB, w *httptest.ResponseRecorder, name string) string {
	tb.Helper()
	var m map[string]any
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &m), w.Body.String())
	s, _ := m[name].(string)
	return s
}

// serve sends a request with that token to v.
func serve(tb testing.TB, v *auth.Verifier, raw string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w
}
