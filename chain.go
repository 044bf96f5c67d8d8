package rampart

import "net/http"

// Chain joins layers into one; the first is the outermost and sees a request
// first. A nil layer is left out. With no layer it returns its handler as it is.
//
//	h := rampart.Chain(requestID.Handler, headers.Handler, cors.Handler)(mux)
func Chain(layers ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		for i := len(layers) - 1; i >= 0; i-- {
			if layers[i] != nil {
				h = layers[i](h)
			}
		}
		return h
	}
}
