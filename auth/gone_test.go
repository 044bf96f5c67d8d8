package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/logtest"
)

func TestAClientThatHangsUpIsNoOutage(t *testing.T) {
	var log logtest.Records
	down := error(nil)
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		c.Revoked = func(ctx context.Context, _ *auth.Token) (bool, error) { return false, errors.Join(ctx.Err(), down) }
	})
	reached := false
	h := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	ask := func(ctx context.Context) int {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, http.StatusServiceUnavailable, ask(gone))
	assert.NotContains(t, log.String(), "sys_backend_unavailable")

	down = errors.New("connection refused")
	assert.Equal(t, http.StatusServiceUnavailable, ask(t.Context()))
	assert.Contains(t, log.String(), "sys_backend_unavailable")
	assert.False(t, reached)
}
