package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/stretchr/testify/assert"
)

func TestALayerMayServeARequestAgain(t *testing.T) {
	served := 0
	chain := []http.Handler{
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next(w, r)
			next(w, r)
		}),
		http.HandlerFunc(next),
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }),
	}
	c := &call.Call{}
	r := httptest.NewRequestWithContext(call.With(t.Context(), c), http.MethodGet, "/", nil)
	pass(httptest.NewRecorder(), r, c, chain)
	assert.Equal(t, 2, served)
}
