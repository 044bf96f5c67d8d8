package sanitize_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func TestA413ClosesTheConnectionOfHTTP1Only(t *testing.T) {
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{MaxBody: 4}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for major, want := range map[int]string{1: "close", 2: ""} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{} and more"))
		r.Header.Set("Content-Type", "application/json")
		r.ProtoMajor = major
		w := httptest.NewRecorder()
		guard.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
		assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
		assert.Equal(t, want, w.Header().Get("Connection"))
	}
}
