package strictjson

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A Field is a member that a body may have: a string or a list of strings.
type Field struct {
	Name     string
	Text     *string
	List     *[]string
	Nullable bool // null is as good as absent
	Required bool // of a text: it must be there, and not blank

	seen bool
}

// maxFaults bounds how many fields are complained about: a response should not be
// dearer than its request.
const maxFaults = 32

// Object reads the body of r, one JSON object or a form, into fields, or returns
// the response with everything that is wrong with them.
func (l *Limits) Object(w http.ResponseWriter, r *http.Request, fields ...Field) *rampart.Problem {
	body, media, p := l.Read(w, r, nil)
	if p != nil {
		return p
	}
	m := &members{Faults{Most: maxFaults}, fields, l.AllowUnknown}
	if media != Form {
		rd := Reader{limits: l}
		_ = rd.Object(string(body), m.member)
		return cmp.Or(rd.Problem(), m.problem())
	}
	pairs, fault := Pairs(string(body), l.MaxParams)
	if fault != nil {
		return Unreadable.Problem(fault.At("#"))
	}
	for _, p := range pairs {
		if m.member(p.Name, Quote(p.Value)) != nil {
			break
		}
	}
	return m.problem()
}

// members reads the members of an object, which are values of JSON.
type members struct {
	faults  Faults
	fields  []Field
	unknown bool // is ignored
}

func (m *members) member(name, value string) error {
	pointer := Fragment(Under("", name))
	i := slices.IndexFunc(m.fields, func(f Field) bool { return f.Name == name })
	switch {
	case i < 0 && m.unknown, i >= 0 && m.fields[i].Nullable && value == "null":
		return nil
	case i < 0 && slices.ContainsFunc(m.fields, func(f Field) bool { return strings.EqualFold(f.Name, name) }):
		return m.add(ErrWrongCase, pointer) // other parsers would take it for the field
	case i < 0:
		return m.add(ErrUnknown, pointer)
	case m.fields[i].seen: // the first wins in one parser of forms, the last in another
		return m.misfit(ErrRepeated, pointer)
	}
	f := &m.fields[i]
	f.seen = true
	if f.Text != nil {
		return m.text(pointer, value, f.Text)
	}
	list, ok := ValuesOf(value)
	if !ok {
		return m.misfit(ErrList, pointer)
	}
	*f.List = make([]string, len(list))
	for i, v := range list {
		if err := m.text(pointer+"/"+strconv.Itoa(i), v, &(*f.List)[i]); err != nil {
			return err
		}
	}
	return nil
}

// problem adds what is wrong with the object as a whole.
func (m *members) problem() *rampart.Problem {
	for _, f := range m.fields {
		pointer := Fragment(Under("", f.Name))
		switch {
		case !f.Required:
		case !f.seen:
			_ = m.add(ErrRequired, pointer)
		case strings.TrimSpace(*f.Text) == "" && !slices.ContainsFunc(m.faults.List, func(e rampart.FieldError) bool { return e.Pointer == pointer }):
			_ = m.add(ErrBlank, pointer)
		}
	}
	return m.faults.Problem()
}

func (m *members) text(pointer, value string, into *string) error {
	s, ok := StringOf(value)
	switch {
	case value == "null":
		return m.misfit(ErrNull, pointer)
	case !ok:
		return m.misfit(ErrText, pointer)
	case strings.Contains(s, "\x00"):
		return m.add(ErrNUL, pointer)
	}
	*into = s
	return nil
}

func (m *members) misfit(f *Fault, pointer string) error {
	m.faults.Misshapen = true
	return m.add(f, pointer)
}

func (m *members) add(f *Fault, pointer string) error {
	if !m.faults.Add(f.At(pointer)) {
		return errStop
	}
	return nil
}

// A Pair is one parameter of a form or query.
type Pair struct {
	Name, Value string
	Part        any // of a multipart form, in place of Value
}

// Pairs takes a form or query apart, in the order in which it was sent. It
// refuses what parsers read differently: a bad escape, a semicolon (a separator
// to some, as in CVE-2021-23336), invalid UTF-8.
func Pairs(s string, most int) ([]Pair, *Fault) {
	if s == "" {
		return nil, nil
	}
	n := strings.Count(s, "&") + 1
	if n > most { // before anything is allocated for them
		return nil, errTooManyParams
	}
	if strings.Contains(s, ";") {
		return nil, errSemicolon
	}
	list := make([]Pair, 0, n)
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil:
			return nil, errEscape
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, errParamUTF8
		}
		list = append(list, Pair{Name: name, Value: value})
	}
	return list, nil
}
