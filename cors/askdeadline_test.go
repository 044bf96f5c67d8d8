package cors_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
)

func TestASlowOriginFuncIsAnEventUnlessItsClientIsGone(t *testing.T) {
	for _, tt := range []struct {
		desc string
		end  func(context.Context) (context.Context, context.CancelFunc)
		want int
	}{
		{"a deadline of an outer layer, such as http.TimeoutHandler", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 0)
		}, 1},
		{"the client is gone", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, 0},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			var log strings.Builder
			c, err := cors.New(cors.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), OriginFunc: func(context.Context, string) (bool, error) {
				<-t.Context().Done()
				return false, errors.New("late")
			}})
			require.NoError(t, err)
			ctx, cancel := tt.end(t.Context())
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.Header.Set("Origin", "https://tenant.example")
			c.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			assert.Equal(t, tt.want, strings.Count(log.String(), "event=sys_backend_unavailable"))
		})
	}
}
