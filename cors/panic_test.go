package cors_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
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
