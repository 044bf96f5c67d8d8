// Package strictjson reads the bodies of requests for every package that takes
// one, so that equal mistakes get equal responses. It is the only place that knows
// the JSON library, and it refuses what two parsers could read differently.
package strictjson

import (
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Media types of bodies.
const (
	JSON = "application/json" // admits application/…+json as well
	Form = "application/x-www-form-urlencoded"
)

// Limits bounds a body.
type Limits struct {
	MaxBody      int64 // bytes, after decompression
	MaxDepth     int   // nested objects and arrays
	MaxTokens    int   // names, values and closing brackets
	MaxNumberLen int   // bytes
	MaxString    int   // bytes as sent
	MaxParams    int   // of a form
	ContentTypes []string
	AllowEncoded bool // Content-Encoding: gzip
	AllowUnknown bool // [Limits.Object] ignores names that it does not know
}

// Small returns limits for values of at most size bytes, which bounds what is in
// them, too, but for the nesting: the claims of RFC 7519 and its relatives need
// a depth of 4, and our bodies less.
func Small(size int, contentTypes ...string) *Limits {
	return &Limits{
		MaxBody: int64(size), MaxDepth: 16, MaxTokens: size, MaxNumberLen: size, MaxString: size, MaxParams: 256,
		ContentTypes: contentTypes,
	}
}

// Media returns the media type of r's body, lower-case and without parameters,
// and whether the body is compressed. Two Content-Type lines, a charset other
// than UTF-8 or a value that does not parse are not admitted: what this server
// reads and what the next one reads could differ.
func (l *Limits) Media(r *http.Request) (media string, gzipped bool, p *rampart.Problem) {
	media, ok := l.mediaType(r.Header["Content-Type"])
	if !ok {
		return "", false, WrongMedia.Problem()
	}
	// RFC 9110 section 8.4.1: names are case-insensitive.
	encoding := r.Header["Content-Encoding"]
	if len(encoding) > 1 || len(encoding) == 1 && (!l.AllowEncoded || !strings.EqualFold(encoding[0], "gzip")) {
		return "", false, WrongEncoding.Problem()
	}
	return media, len(encoding) == 1, nil
}

// Extended reports whether a parameter of a header field is one of RFC 2231, such
// as "charset*=" or "boundary*0=": for some parsers only it takes the place of the
// plain one.
func Extended(field string) bool {
	for rest := field; ; {
		i := strings.IndexByte(rest, '*')
		if i < 0 {
			return false
		}
		if rest = strings.TrimLeft(rest[i:], "0123456789*"); strings.HasPrefix(rest, "=") {
			return true
		}
	}
}

func (l *Limits) mediaType(lines []string) (string, bool) {
	if len(lines) != 1 || Extended(lines[0]) {
		return "", false
	}
	media := lines[0]
	if media != JSON && media != Form { // else there is nothing to parse
		var params map[string]string
		var err error
		media, params, err = mime.ParseMediaType(media)
		if err != nil || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
			return "", false
		}
	}
	// RFC 6839 section 3.1: a type with the suffix +json can be read as JSON.
	if strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json") && !slices.Contains(l.ContentTypes, media) {
		media = JSON
	}
	return media, slices.Contains(l.ContentTypes, media)
}

// Open returns what reads the body of r, decompressed, with its media type, or says
// what is wrong with it. Beyond MaxBody reading fails; [ReadProblem] says what the
// response to an error is.
func (l *Limits) Open(w http.ResponseWriter, r *http.Request) (src io.Reader, media string, p *rampart.Problem) {
	media, gzipped, p := l.Media(r)
	switch {
	case p != nil:
		return nil, "", p
	case r.ContentLength > l.MaxBody:
		return nil, "", tooLarge(w, r)
	case r.Body == nil: // a request that was not made by a server
		return http.NoBody, media, nil
	}
	body := http.MaxBytesReader(nil, r.Body, l.MaxBody)
	if !gzipped {
		return body, media, nil
	}
	inflated, err := gzip.NewReader(body)
	if err != nil {
		return nil, "", ReadProblem(w, r, err)
	}
	return http.MaxBytesReader(nil, inflated, l.MaxBody), media, nil
}

// Read appends the body of r to buf, decompressed, and returns it with its media
// type, or says what is wrong with it. It never holds more than MaxBody+1 bytes
// of it.
func (l *Limits) Read(w http.ResponseWriter, r *http.Request, buf []byte) (body []byte, media string, p *rampart.Problem) {
	src, media, p := l.Open(w, r)
	if p != nil {
		return buf, "", p
	}
	if body, p = l.ReadAll(w, r, src, buf); p != nil {
		media = ""
	}
	return body, media, p
}

// ReadAll appends what src, of [Limits.Open], reads to buf.
func (l *Limits) ReadAll(w http.ResponseWriter, r *http.Request, src io.Reader, buf []byte) ([]byte, *rampart.Problem) {
	if want := min(r.ContentLength, 64<<10) + 1; int64(cap(buf)-len(buf)) < want { // a promise of more has to be kept first
		buf = append(make([]byte, 0, int64(len(buf))+want), buf...)
	}
	for {
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, ReadProblem(w, r, err)
		}
		if len(buf) == cap(buf) {
			// Not beyond the limit, so that all buffers together are less than twice that.
			grown := make([]byte, len(buf), min(max(4*int64(len(buf)), 512), l.MaxBody+1))
			copy(grown, buf)
			buf = grown
		}
	}
}

// tooLarge also has the connection closed, so that the rest is not read.
func tooLarge(w http.ResponseWriter, r *http.Request) *rampart.Problem {
	request.CloseAfter(w, r)
	return TooLarge.Problem()
}

// ReadProblem returns the response to an error in reading the body of r.
func ReadProblem(w http.ResponseWriter, r *http.Request, err error) *rampart.Problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(w, r)
	}
	return Unreadable.Problem(errUnread.At("#"))
}
