package sanitize

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// mediaType returns the media type of r's body, lower-case and without
// parameters, and whether l admits it. Two Content-Type lines, a charset other
// than UTF-8 or a value that does not parse are not admitted: what this server
// reads and what the next one reads could differ.
func (l *Limits) mediaType(r *http.Request) (string, bool) {
	lines := r.Header["Content-Type"]
	if len(lines) != 1 {
		return "", false
	}
	media := lines[0]
	if media != typeJSON && media != typeForm { // else there is nothing to parse
		var params map[string]string
		var err error
		media, params, err = mime.ParseMediaType(media)
		if err != nil || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
			return "", false
		}
	}
	if slices.Contains(l.ContentTypes, media) {
		return media, true
	}
	// RFC 6839 section 3.1: a type with the suffix +json can be read as JSON.
	if strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json") && slices.Contains(l.ContentTypes, typeJSON) {
		return typeJSON, true
	}
	return "", false
}

// encoding says whether r's body is compressed with gzip, and whether l admits
// its Content-Encoding.
func (l *Limits) encoding(r *http.Request) (gzipped, ok bool) {
	lines := r.Header["Content-Encoding"]
	if len(lines) == 0 {
		return false, true
	}
	if len(lines) > 1 || !l.AllowEncoded {
		return false, false
	}
	// RFC 9110 section 8.4.1: names are case-insensitive.
	return true, strings.EqualFold(lines[0], "gzip")
}
