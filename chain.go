package rampart

import (
	"net/http"
	"slices"
)

// Chain joins layers into one; the first is the outermost and sees a request
// first. A nil layer is left out. With no layer it returns its handler as it is.
//
//	h := rampart.Chain(requestID.Handler, headers.Handler, cors.Handler)(mux)
func Chain(layers ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		for _, layer := range slices.Backward(layers) {
			if layer != nil {
				h = layer(h)
			}
		}
		return h
	}
}
