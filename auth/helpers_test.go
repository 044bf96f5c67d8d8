package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

const secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs header and claims, whatever they say, with the HMAC secret.
func forge(h crypto.Hash, header, claims string) string {
	input := b64(header) + "." + b64(claims)
	return input + "." + sign(h, input)
}

func sign(h crypto.Hash, input string) string {
	mac := hmac.New(h.New, []byte(secret))
	mac.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

// token returns an access token of user 1 with the given members instead of, or
// besides, the usual ones. A member whose value is "" is left out.
func token(members ...string) string {
	return forge(crypto.SHA256, plainHeader, claims(members...))
}

func claims(members ...string) string {
	names := []string{"token_type", "exp", "iat", "jti", "user_id"}
	values := map[string]string{
		"token_type": `"access"`,
		"exp":        fmt.Sprint(time.Now().Add(time.Hour).Unix()),
		"iat":        fmt.Sprint(time.Now().Add(-time.Minute).Unix()),
		"jti":        `"0123456789abcdef0123456789abcdef"`,
		"user_id":    "1",
	}
	for i := 0; i < len(members); i += 2 {
		if _, ok := values[members[i]]; !ok {
			names = append(names, members[i])
		}
		values[members[i]] = members[i+1]
	}
	var parts []string
	for _, name := range names {
		if values[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, values[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func newKey(tb testing.TB) *auth.Key {
	tb.Helper()
	key, err := auth.NewKey(auth.HS256, "", []byte(secret))
	require.NoError(tb, err)
	return key
}

func newVerifier(tb testing.TB, change ...func(*auth.VerifierConfig)) *auth.Verifier {
	tb.Helper()
	cfg, _ := auth.Simplejwt([]byte(secret))
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
		return "", auth.ErrBadCredentials
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
	*auth.Service
	v     *auth.Verifier
	store *auth.MemoryStore
	users *people
	log   *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newFixture(tb testing.TB, change ...func(*auth.ServiceConfig)) *fixture {
	tb.Helper()
	f := &fixture{store: auth.NewMemoryStore(0), users: &people{password: "correct horse"}, log: &syncBuffer{}}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	vcfg, scfg := auth.Simplejwt([]byte(secret))
	vcfg.Revoked, vcfg.Logger = auth.RevokedIn(f.store), logger
	var err error
	f.v, err = auth.NewVerifier(vcfg)
	require.NoError(tb, err)
	scfg.Verifier, scfg.Users, scfg.Sessions, scfg.NoRotation, scfg.Logger = f.v, f.users, f.store, false, logger
	for _, c := range change {
		c(&scfg)
	}
	f.Service, err = auth.NewService(scfg)
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

// payload returns the claims of a token as text.
func payload(tb testing.TB, raw string) string {
	tb.Helper()
	parts := strings.Split(raw, ".")
	require.Len(tb, parts, 3)
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(tb, err)
	return string(b)
}
