package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// tooManyError is an error of a limiter.
type tooManyError struct{}

func (tooManyError) Error() string             { return "too many" }
func (tooManyError) RetryAfter() time.Duration { return 1500 * time.Millisecond }

func TestGuard(t *testing.T) {
	var refuse error
	var outcomes []error
	f := newFixture(t, func(c *session.Config) {
		c.Guard = func(_ context.Context, _ *http.Request, name string) (func(error), error) {
			assert.Equal(t, "alice", name)
			return func(err error) { outcomes = append(outcomes, err) }, refuse
		}
	})
	login(t, f)
	postJSON(t, f.IssueHandler(), `{"username":"alice","password":"x"}`)
	f.users.err = errors.New("the hasher is busy")
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, f.IssueHandler(), goodLogin).Code)
	assert.Equal(t, []error{nil, session.ErrBadCredentials, f.users.err}, outcomes, "what nobody looked at is no wrong guess")

	f.users.onLogin = func() { t.Error("the password was looked at") }
	refuse = tooManyError{}
	w := postJSON(t, f.IssueHandler(), goodLogin)
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	assert.Equal(t, "2", w.Header().Get("Retry-After"))
	assert.Equal(t, "throttled", member(t, w, "code"))
	refuse = &rampart.Problem{Status: http.StatusTooManyRequests, Code: "mine"}
	assert.Equal(t, "mine", member(t, postJSON(t, f.IssueHandler(), goodLogin), "code"))
	assert.Contains(t, f.log.String(), "excess_rate_limit_exceeded")
	refuse = &rampart.Problem{Status: http.StatusForbidden, Code: "locked"}
	assert.Equal(t, http.StatusForbidden, postJSON(t, f.IssueHandler(), goodLogin).Code)
	assert.Contains(t, f.log.String(), "event=authz_fail reason=locked")
	assert.Len(t, outcomes, 3)
}

func TestAGuardThatCannotTellIsABackendThatFails(t *testing.T) {
	f := newFixture(t, func(c *session.Config) {
		c.Guard = func(context.Context, *http.Request, string) (func(error), error) {
			return nil, fmt.Errorf("known devices: %w: %w", errors.New("connection refused"), &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable"})
		}
	})
	f.users.onLogin = func() { t.Error("the password was looked at") }
	w := postJSON(t, f.IssueHandler(), goodLogin)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.NotContains(t, w.Body.String(), "refused")
	assert.NotContains(t, f.log.String(), "excess_rate_limit_exceeded", "nobody tried too often")
	assert.Contains(t, f.log.String(), "sys_backend_unavailable")
	assert.Contains(t, f.log.String(), "connection refused")
}

func TestBackendFailuresAre503(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	f.users.err = errors.New("connection refused")
	for _, w := range []*httptest.ResponseRecorder{postJSON(t, f.IssueHandler(), goodLogin), postJSON(t, f.RefreshHandler(), refreshBody(refresh))} {
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		assert.Empty(t, w.Header().Get("WWW-Authenticate"))
		assert.NotContains(t, w.Body.String(), "refused")
	}
	assert.Contains(t, f.log.String(), "sys_backend_unavailable")
	f.users.err = tooManyError{}
	assert.Equal(t, "2", postJSON(t, f.IssueHandler(), goodLogin).Header().Get("Retry-After"))
	f.users.err = fmt.Errorf("%w: %w", password.ErrBusy, &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy"})
	w := postJSON(t, f.IssueHandler(), goodLogin)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.Equal(t, "busy", member(t, w, "code"))
	assert.Contains(t, f.log.String(), "sys_overloaded", "nothing is down")
	f.users.err = nil

	down := errors.New("store down")
	broken := &brokenStore{Store: f.store, err: down}
	s, err := session.New(session.Config{Tokens: auth.Simplejwt([]byte(secret)), Users: f.users, Sessions: broken, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for n := range 5 {
		broken.fail = n
		pair, err := s.Refresh(t.Context(), refresh)
		if n < 2 {
			assert.ErrorIs(t, err, down)
			assert.Nil(t, pair)
		}
	}
	for _, fail := range []func() error{
		func() error { _, err := s.Issue(t.Context(), "1", nil); return err },
		func() error { return errOf(s.EndSession(t.Context(), "x")) },
		func() error { return errOf(s.EndSubject(t.Context(), "x")) },
		func() error { return errOf(s.Sessions(t.Context(), "x")) },
		func() error { return s.EndAll(t.Context(), time.Time{}) },
		func() error { _, err := s.Refresh(t.Context(), token("token_type", `"refresh"`)); return err },
		func() error { _, err := session.RevokedIn(broken)(t.Context(), mustVerify(t, access)); return err },
	} {
		broken.fail = 0
		assert.ErrorIs(t, fail(), down)
	}
	for _, fail := range []func() error{ // the clock still answers
		func() error { return errOf(s.EndSubject(t.Context(), "x")) },
		func() error { return s.EndAll(t.Context(), time.Time{}) },
	} {
		broken.fail = 1
		assert.ErrorIs(t, fail(), down)
	}
	broken.fail = 0
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, s.IssueHandler(), goodLogin).Code)
}

func mustVerify(tb testing.TB, raw string) *auth.Token {
	tb.Helper()
	tok, err := newVerifier(tb).Verify(tb.Context(), raw, auth.Access)
	require.NoError(tb, err)
	return tok
}

// brokenStore fails from its fail'th call on.
type brokenStore struct {
	session.Store
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
	return b.Store.Now(ctx)
}

func (b *brokenStore) Create(ctx context.Context, s session.Session) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.Store.Create(ctx, s)
}

func (b *brokenStore) Get(ctx context.Context, id string) (session.Session, error) {
	if err := b.broken(); err != nil {
		return session.Session{}, err
	}
	return b.Store.Get(ctx, id)
}

func (b *brokenStore) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	if err := b.broken(); err != nil {
		return session.Session{}, false, err
	}
	return b.Store.Advance(ctx, id, gen, at, expires)
}

func (b *brokenStore) List(ctx context.Context, subject string, limit int) ([]session.Session, error) {
	if err := b.broken(); err != nil {
		return nil, err
	}
	return b.Store.List(ctx, subject, limit)
}

func (b *brokenStore) Revoke(ctx context.Context, id string) (bool, error) {
	if err := b.broken(); err != nil {
		return false, err
	}
	return b.Store.Revoke(ctx, id)
}

func (b *brokenStore) RevokeSubject(ctx context.Context, subject string, before time.Time) (int, error) {
	if err := b.broken(); err != nil {
		return 0, err
	}
	return b.Store.RevokeSubject(ctx, subject, before)
}

func (b *brokenStore) RevokeBefore(ctx context.Context, before time.Time) error {
	if err := b.broken(); err != nil {
		return err
	}
	return b.Store.RevokeBefore(ctx, before)
}

func TestNoSecretIsLogged(t *testing.T) {
	f := newFixture(t)
	access, refresh := login(t, f)
	postJSON(t, f.IssueHandler(), `{"username":"hunter2","password":"swordfish"}`)
	postJSON(t, f.IssueHandler(), `{"username":"eve\n2026 WARN forged","password":"swordfish"}`)
	_, err := f.Refresh(t.Context(), refresh)
	require.NoError(t, err)
	postJSON(t, f.EndSessionHandler(), refreshBody(refresh))
	log := f.log.String()
	for _, secret := range []string{"hunter2", "swordfish", "correct horse", "forged", access, refresh} {
		assert.NotContains(t, log, secret)
	}
	for _, event := range []string{"authn_login_success", "authn_login_fail", "authn_token_created", "authn_token_rotated", "authn_token_revoked", "user_hash="} {
		assert.Contains(t, log, event)
	}
}
