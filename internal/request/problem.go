package request

import "net/http"

// WriteProblem responds as rampart.Problem.Write does, with a body that the caller has
// made: for layers that a flood makes refuse often, with one number that
// changes in a body that does not.
func WriteProblem(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	// Content-Encoding stays, as with http.Error: a middleware that compresses may have
	// set it before it called us.
	for _, name := range [...]string{"Content-Length", "Content-Disposition", "Etag", "Last-Modified"} {
		delete(h, name)
	}
	values := &[...]string{"application/problem+json", "no-store", "nosniff"}
	h["Content-Type"] = values[0:1:1]
	h["Cache-Control"] = values[1:2:2]
	h["X-Content-Type-Options"] = values[2:3:3]
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if this fails
}
