package sanitize

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ecolaura/rampart"
)

// DRFErrors is an ErrorHandler for clients that were written for Django REST
// framework. Field errors are 400 with a list of sentences for each field,
//
//	{"email": ["Enter a valid email address."], "address": {"city": ["This field is required."]}}
//
// those of the input as a whole are under "non_field_errors", those of list
// elements under their index, as DRF's ListField has it. Any other problem keeps
// its status and is {"detail": "…"}.
func DRFErrors(w http.ResponseWriter, _ *http.Request, err error) {
	p, ok := errors.AsType[*rampart.Problem](err)
	if !ok {
		p = notConfigured() // an error of another origin: nothing of it is for the client
	}
	status, body := p.Status, &drfErrors{}
	switch {
	case len(p.Errors) > 0 && (p.Code == CodeInvalid || p.Status == http.StatusUnprocessableEntity):
		status = http.StatusBadRequest
		for _, e := range p.Errors {
			body.add(e)
		}
	case p.Detail != "":
		body.child("detail").detail = p.Detail
	default:
		body.child("detail").detail = http.StatusText(p.Status)
	}
	h := w.Header()
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "Content-Disposition", "Etag", "Last-Modified"} {
		h.Del(name) // of the response that was not given
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	var b bytes.Buffer
	body.write(&b)
	_, _ = w.Write(b.Bytes()) // the client is gone if this fails
}

// drfErrors is one level of the response, in input order.
type drfErrors struct {
	name     string
	detail   string   // of the response as a whole
	messages []string // of this field
	parts    []*drfErrors
	byName   map[string]*drfErrors
}

// maxDRFDepth bounds the nesting of the response: what is deeper is told there.
const maxDRFDepth = 32

func (d *drfErrors) add(e rampart.FieldError) {
	at := d
	switch {
	case e.Parameter != "":
		at = d.child(e.Parameter)
	case strings.HasPrefix(e.Pointer, "#/"):
		for i, token := range strings.SplitN(e.Pointer[len("#/"):], "/", maxDRFDepth+1) {
			if i == maxDRFDepth {
				break
			}
			name, err := url.PathUnescape(token)
			if err != nil { // unreachable: this package has written it
				name = token
			}
			// RFC 6901 section 4: in this order, so that "~01" is "~1".
			at = at.child(strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~"))
		}
	}
	at.messages = append(at.messages, e.Detail)
}

// child returns the part of d with the given name.
func (d *drfErrors) child(name string) *drfErrors {
	if c := d.byName[name]; c != nil {
		return c
	}
	if d.byName == nil {
		d.byName = make(map[string]*drfErrors)
	}
	c := &drfErrors{name: name}
	d.parts, d.byName[name] = append(d.parts, c), c
	return c
}

// write writes d as JSON: a list of sentences, or an object if it has parts. The
// sentences of what has both are its non_field_errors.
func (d *drfErrors) write(b *bytes.Buffer) {
	text := func(v any) {
		enc, _ := json.Marshal(v) // strings always marshal
		b.Write(enc)
	}
	switch {
	case d.detail != "":
		text(d.detail)
		return
	case len(d.parts) == 0 && d.name != "":
		text(d.messages)
		return
	}
	b.WriteByte('{')
	if len(d.messages) > 0 {
		b.WriteString(`"non_field_errors":`)
		text(d.messages)
	}
	for i, c := range d.parts {
		if i > 0 || len(d.messages) > 0 {
			b.WriteByte(',')
		}
		text(c.name)
		b.WriteByte(':')
		c.write(b)
	}
	b.WriteByte('}')
}
