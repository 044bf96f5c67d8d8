package request

import "net/http"

// A Note is a [Layer] of the kind [Status] that notes the status of a response.
type Note struct {
	Base
	code int
}

// Final implements [Layer].
func (n *Note) Final(_ *Writer, _ http.Header, status int, _ Look) {
	if status > 0 {
		n.code = status
	}
}

// Status returns the status of the response once its handler has returned or panicked.
func (n *Note) Status(returned bool) int {
	switch {
	case n.code != 0:
		return n.code
	case returned: // net/http is going to respond with 200
		return http.StatusOK
	default:
		return http.StatusInternalServerError
	}
}

// Method returns m if net/http has a constant for it, else "_OTHER", as the semantic
// conventions of OpenTelemetry have it: clients make up methods.
func Method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return m
	default:
		return "_OTHER"
	}
}
