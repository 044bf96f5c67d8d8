package request

import (
	"net/http"
	"strings"
)

// Serve has next serve inner, which was made of r with [http.Request.WithContext],
// and then gives r what next has put into inner: net/http removes the files only of
// the upload that is in the request which it made itself, and what stands further
// out, such as a metrics layer, reads the pattern of a route there.
func Serve(next http.Handler, w http.ResponseWriter, r, inner *http.Request) {
	defer giveBack(r, inner)
	next.ServeHTTP(w, inner)
}

// giveBack writes only what has changed: several goroutines may have one r.
func giveBack(r, inner *http.Request) {
	if r.MultipartForm != inner.MultipartForm {
		r.MultipartForm = inner.MultipartForm
	}
	if r.Pattern == inner.Pattern {
		return
	}
	r.Pattern = inner.Pattern
	for part := range strings.SplitSeq(inner.Pattern, "/") {
		name, isName := strings.CutPrefix(part, "{")
		if isName && name != "$}" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
			r.SetPathValue(name, inner.PathValue(name))
		}
	}
}
