package cors_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/server"
)

func TestAPanicLeavesNoCORSHeaderOfTheHandlerBehind(t *testing.T) {
	layer, err := cors.New(cors.Config{Origins: []string{"https://ok.example"}})
	require.NoError(t, err)
	h := layer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		panic("boom")
	}))
	for origin, want := range map[string]string{"https://evil.example": "", "https://ok.example": "https://ok.example"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		assert.Panics(t, func() { h.ServeHTTP(w, r) })
		assert.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"), origin)
		assert.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"), origin)
	}
}

// A router that tries one handler and then another has the policy of the second,
// whether or not a layer of ours stands around both.
func TestOfTwoLayersOneAfterTheOtherTheSecondDecides(t *testing.T) {
	policy := func(origin string) func(http.Handler) http.Handler {
		layer, err := cors.New(cors.Config{Origins: []string{origin}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return layer.Handler
	}
	open, closed := policy("https://ok.example"), policy("https://other.example")
	id, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	writes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for desc, around := range map[string]func(http.Handler) http.Handler{"alone": func(h http.Handler) http.Handler { return h }, "with an id": id.Handler} {
		for _, tt := range []struct {
			first, second func(http.Handler) http.Handler
			want          string
		}{{open, closed, ""}, {closed, open, "https://ok.example"}} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Origin", "https://ok.example")
			w := httptest.NewRecorder()
			around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.first(nothing).ServeHTTP(w, r)
				tt.second(writes).ServeHTTP(w, r)
			})).ServeHTTP(w, r)
			assert.Equal(t, tt.want, w.Header().Get("Access-Control-Allow-Origin"), desc)
			assert.Equal(t, "Origin", w.Header().Get("Vary"), desc)
		}
	}
}
