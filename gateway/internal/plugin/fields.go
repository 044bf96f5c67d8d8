package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// fields are what request-transformer edits: a header, a query, a body.
type fields interface {
	has(name string) bool
	remove(name string)
	rename(from, to string)  // only what is there
	replace(name, to string) // all of that name, in the place of the first
	add(name, value string)  // beside what is there
}

// headerFields is a header.
type headerFields struct{ http.Header }

func (h headerFields) has(name string) bool    { return len(h.Values(name)) > 0 }
func (h headerFields) remove(name string)      { h.Del(name) }
func (h headerFields) replace(name, to string) { h.Set(name, to) }
func (h headerFields) add(name, value string)  { h.Add(name, value) }
func (h headerFields) rename(from, to string) {
	if v := h.Values(from); len(v) > 0 {
		h.Del(from)
		h.Header[http.CanonicalHeaderKey(to)] = v
	}
}

// A pair is a name with a value.
type pair[V any] struct {
	name  string
	value V
}

// pairs are names with values, in their order; a name may be there twice.
type pairs[V any] struct {
	list []pair[V]
	text func(string) V // makes a value
}

func (p *pairs[V]) index(name string) int {
	return slices.IndexFunc(p.list, func(one pair[V]) bool { return one.name == name })
}

func (p *pairs[V]) has(name string) bool { return p.index(name) >= 0 }

func (p *pairs[V]) remove(name string) {
	p.list = slices.DeleteFunc(p.list, func(one pair[V]) bool { return one.name == name })
}

func (p *pairs[V]) rename(from, to string) {
	if from == to || !p.has(from) {
		return
	}
	p.remove(to)
	for i := range p.list {
		if p.list[i].name == from {
			p.list[i].name = to
		}
	}
}

func (p *pairs[V]) replace(name, to string) {
	if i := p.index(name); i >= 0 {
		first := p.list[:i+1]
		first[i].value = p.text(to)
		rest := slices.DeleteFunc(p.list[i+1:], func(one pair[V]) bool { return one.name == name })
		p.list = p.list[:len(first)+len(rest)]
	}
}

func (p *pairs[V]) add(name, value string) {
	p.list = append(p.list, pair[V]{name, p.text(value)})
}

// formFields are a query or a form.
type formFields struct{ pairs[string] }

// newFormFields takes a query apart. What is not escaped as it should be is
// taken as it is.
func newFormFields(query string) *formFields {
	f := &formFields{pairs[string]{text: func(s string) string { return s }}}
	plain := func(s string) string {
		if p, err := url.QueryUnescape(s); err == nil {
			return p
		}
		return s
	}
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); part != "" {
			f.list = append(f.list, pair[string]{plain(name), plain(value)})
		}
	}
	return f
}

// encode puts the query together. All is escaped, a ; too, which some servers
// take for a separator.
func (f *formFields) encode() string {
	var b strings.Builder
	for i, p := range f.list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

// errBody says that a body is not what its Content-Type says.
var errBody = errors.New("plugin: the body is not what its Content-Type says")

// jsonFields are the members of a JSON object.
type jsonFields struct{ pairs[json.RawMessage] }

// newJSONFields reads an object; nil if text is other JSON, which has no names.
func newJSONFields(text []byte) (*jsonFields, error) {
	f := &jsonFields{pairs[json.RawMessage]{text: func(s string) json.RawMessage {
		quoted, _ := json.Marshal(s) // a string always can be
		return quoted
	}}}
	if len(text) == 0 {
		return f, nil
	}
	if !json.Valid(text) {
		return nil, errBody
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		one := pair[json.RawMessage]{name: name.(string)} //nolint:forcetypeassert // of an object it is one
		if err := dec.Decode(&one.value); err != nil {
			return nil, err
		}
		f.list = append(f.list, one)
	}
	return f, nil
}

// add makes a list of an old value and the new one, as Kong does. Of a name
// that is there twice the last one counts, as for most readers.
func (f *jsonFields) add(name, value string) {
	text := f.text(value)
	i := f.index(name)
	if i < 0 {
		f.list = append(f.list, pair[json.RawMessage]{name, text})
		return
	}
	var list []json.RawMessage
	for _, one := range f.list {
		if one.name == name {
			list = nil
			if old := bytes.TrimSpace(one.value); json.Unmarshal(old, &list) != nil {
				list = []json.RawMessage{old}
			}
		}
	}
	made, _ := json.Marshal(append(list, text)) // all of it is JSON
	f.replace(name, "")
	f.list[i].value = made
}

func (f *jsonFields) encode() []byte {
	b := []byte{'{'}
	for i, p := range f.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, f.text(p.name)...), ':')
		b = append(b, p.value...)
	}
	return append(b, '}')
}

// A part is one of a multipart form.
type part struct {
	header textproto.MIMEHeader
	body   []byte
}

// partFields are the parts of a multipart form.
type partFields struct{ pairs[part] }

// newPartFields reads a form; the body is bounded already.
func newPartFields(text []byte, boundary string) (*partFields, error) {
	f := &partFields{pairs[part]{text: func(s string) part { return part{body: []byte(s)} }}}
	in := multipart.NewReader(bytes.NewReader(text), boundary)
	for {
		p, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, errBody
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, errBody
		}
		// A part whose name two readers could read differently.
		if p.FormName() == "" || strings.Contains(p.Header.Get("Content-Disposition"), "*=") || len(p.Header["Content-Disposition"]) != 1 {
			return nil, errBody
		}
		f.list = append(f.list, pair[part]{p.FormName(), part{p.Header, body}})
	}
}

// rename makes plain fields of what it renames, as Kong does.
func (f *partFields) rename(from, to string) {
	for i := range f.list {
		if f.list[i].name == from {
			f.list[i].value.header = nil
		}
	}
	f.pairs.rename(from, to)
}

func (f *partFields) encode(boundary string) ([]byte, error) {
	var b bytes.Buffer
	out := multipart.NewWriter(&b)
	if err := out.SetBoundary(boundary); err != nil {
		return nil, errBody
	}
	for _, p := range f.list {
		var w io.Writer
		var err error
		if p.value.header == nil {
			w, err = out.CreateFormField(p.name)
		} else {
			w, err = out.CreatePart(p.value.header)
		}
		if err == nil {
			_, err = w.Write(p.value.body)
		}
		if err != nil {
			return nil, err
		}
	}
	err := out.Close()
	return b.Bytes(), err
}
