package plugin

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/internal/request"
)

// Bounds of the bodies that request-transformer reads: of one, and of all that
// one use of it holds at once.
const (
	maxEdited = 1 << 20
	maxHeld   = 64 << 20
)

// Reasons for which a body is not edited.
var (
	errBusy    = errors.New("plugin: too many bodies at once")
	errEncoded = errors.New("plugin: a body with a Content-Encoding cannot be edited")
)

// A budget bounds the bytes that are held at once.
type budget struct{ held atomic.Int64 }

// held is a body in memory.
type held struct {
	*bytes.Reader
	size int64
}

// Close implements io.Closer; the bytes are held until the request ends.
func (*held) Close() error { return nil }

// giveBack ends the use of r's body, if it is one of the budget's.
func (b *budget) giveBack(r *http.Request) {
	if h, ok := r.Body.(*held); ok {
		b.held.Add(-h.size)
	}
}

// read reads a body. Only what has come counts: a slow client holds no more.
func (b *budget) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > maxEdited {
		return nil, &http.MaxBytesError{Limit: maxEdited}
	}
	in := request.MaxBytes(w, r, maxEdited)
	text := make([]byte, 0, 512)
	counted := int64(0)
	for {
		n, err := in.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		if b.held.Add(int64(cap(text))-counted) > maxHeld {
			err = errBusy
		}
		counted = int64(cap(text))
		if errors.Is(err, io.EOF) {
			r.Body = &held{bytes.NewReader(text), counted}
			return text, nil
		}
		if err != nil {
			b.held.Add(-counted)
			return nil, err
		}
	}
}

// editBody edits a JSON object, a form or a multipart form; what is neither
// stays as it is. It returns a form that belongs into the query, since the
// request has become a GET.
func (t *transform) editBody(w http.ResponseWriter, src *source, out *http.Request) (form string, err error) {
	kind := strings.ToLower(strings.Join(out.Header["Content-Type"], ","))
	isForm := strings.Contains(kind, "application/x-www-form-urlencoded")
	isJSON := strings.Contains(kind, "application/json") || strings.Contains(kind, "+json")
	isParts := strings.Contains(kind, "multipart/form-data")
	kinds := 0
	for _, is := range []bool{isForm, isJSON, isParts} {
		if is {
			kinds++
		}
	}
	toQuery := t.method == http.MethodGet && isForm
	if !toQuery && (len(t.body) == 0 || !isForm && !isJSON && !isParts) {
		return "", nil
	}
	if kinds > 1 { // the upstream may take it for another one
		return "", errBody
	}
	if enc := out.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return "", errEncoded
	}
	text, err := t.budget.read(w, out)
	if err != nil {
		return "", err
	}
	if toQuery {
		form = newFormFields(string(text)).encode()
	}
	edited := text
	switch {
	case len(t.body) == 0:
	case isJSON:
		f, err := newJSONFields(text)
		if err != nil || f == nil {
			return "", err
		}
		if err := apply(t.body, f, src, nil); err != nil {
			return "", err
		}
		if len(text) > 0 || len(f.list) > 0 {
			edited = f.encode()
		}
	case isForm:
		f := newFormFields(string(text))
		if err := apply(t.body, f, src, nil); err != nil {
			return "", err
		}
		edited = []byte(f.encode())
	default:
		_, params, err := mime.ParseMediaType(out.Header.Get("Content-Type"))
		if err != nil {
			return "", errBody
		}
		f, err := newPartFields(text, params["boundary"])
		if err == nil {
			err = apply(t.body, f, src, nil)
		}
		if err == nil {
			edited, err = f.encode(params["boundary"])
		}
		if err != nil {
			return "", err
		}
	}
	h, ok := out.Body.(*held)
	if !ok {
		h = &held{}
	}
	h.Reader = bytes.NewReader(edited)
	out.Body, out.ContentLength, out.TransferEncoding = h, int64(len(edited)), nil
	if len(edited) == 0 {
		t.budget.giveBack(out)
		out.Body = http.NoBody
	}
	return form, nil
}

// bodyProblem returns the response for a request whose body or values do not
// serve, and the reason for the log.
func bodyProblem(w http.ResponseWriter, r *http.Request, err error) (*rampart.Problem, string) {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	failed := int(call.From(r.Context()).BodyFailed.Load())
	switch {
	case tooLarge:
		request.CloseAfter(w, r)
		return &rampart.Problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large"}, "too_large"
	case errors.Is(err, errEncoded):
		return &rampart.Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type"}, "content_encoding"
	case errors.Is(err, errBusy):
		request.CloseAfter(w, r)
		return &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy"}, "busy"
	case failed == http.StatusRequestTimeout:
		return &rampart.Problem{Status: failed, Code: "body_timeout"}, "body_timeout"
	case errors.Is(err, errRendered):
		return &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_request"}, "template"
	}
	return &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_body"}, "bad_body"
}
