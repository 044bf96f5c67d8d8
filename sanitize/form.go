package sanitize

import (
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A pair is one parameter of a form or query.
type pair struct {
	name, value string
	file        *File    // of a multipart form, in place of value
	invalid     *Invalid // what is wrong with it, whatever its field is
}

// pairs takes a form or query apart, in the order in which it was sent. It
// refuses what parsers read differently: a bad escape, a semicolon (a separator
// to some, as in CVE-2021-23336), invalid UTF-8.
func pairs(s string, most int) ([]pair, *Invalid) {
	if s == "" {
		return nil, nil
	}
	n := strings.Count(s, "&") + 1
	if n > most { // before anything is allocated for them
		return nil, &Invalid{CodeTooManyParams, "Too many parameters."}
	}
	if strings.Contains(s, ";") {
		return nil, &Invalid{CodeSyntax, "A semicolon must be written as %3B."}
	}
	list := make([]pair, 0, n)
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil:
			return nil, &Invalid{CodeSyntax, "A percent sign without two hexadecimal digits."}
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, &Invalid{CodeInvalidUTF8, "A parameter is not valid UTF-8."}
		}
		list = append(list, pair{name: name, value: value})
	}
	return list, nil
}

// A place makes the error address of a parameter: a form's is a pointer into
// the body, as if it were JSON, so that one client code serves both.
type place func(name string) rampart.FieldError

func inBody(name string) rampart.FieldError {
	return rampart.FieldError{Pointer: fragment(under("", name))}
}

func inQuery(name string) rampart.FieldError {
	if len(name) > maxPointer {
		name = ""
	}
	return rampart.FieldError{Parameter: name}
}

// form reads an urlencoded body into v.
func (d *decoder) form(n *node, v reflect.Value, body string, l *Limits) *rampart.Problem {
	list, inv := pairs(body, l.MaxParams)
	if inv != nil {
		return unreadable(rampart.FieldError{Pointer: "#", Code: inv.Code, Detail: inv.Detail})
	}
	return d.params(n.object, v, list, inBody, l)
}

// params stores the parameters in the fields of v. Fields that take an object
// or dict are not reachable this way.
func (d *decoder) params(o *object, v reflect.Value, list []pair, at place, l *Limits) *rampart.Problem {
	d.seen = append(d.seen[:0], make([]bool, len(o.fields))...)
	for _, pr := range list {
		if inv := d.param(o, v, pr, l); inv != nil {
			if p := d.faults.add(at(pr.name), inv); p != nil {
				return p
			}
		}
	}
	for i := range o.fields {
		f := &o.fields[i]
		var inv *Invalid
		switch {
		case f.required && !d.seen[i]:
			inv = missing()
		case d.seen[i]:
			inv = f.node.whole(f.of(v))
		}
		if inv != nil {
			if p := d.faults.add(at(f.name), inv); p != nil {
				return p
			}
		}
	}
	return d.faults.problem()
}

// param stores one parameter.
func (d *decoder) param(o *object, v reflect.Value, pr pair, l *Limits) *Invalid {
	i, known := o.byName[pr.name]
	switch {
	case !known:
		return o.stranger(pr.name, d.unknown)
	case !o.fields[i].node.flat():
		return unknownField()
	}
	f := &o.fields[i]
	again := d.seen[i]
	d.seen[i] = true
	n, v := f.node.target(f.of(v), again)
	switch {
	case pr.invalid != nil:
		return pr.invalid
	case len(pr.value) > l.MaxString:
		return &Invalid{CodeStringTooLong, "The text is too long."}
	case n == nil: // the first wins in one parser, the last in another
		return &Invalid{CodeRepeated, "This field is there more than once."}
	}
	if pr.file != nil && n.kind == kindFile {
		v.Set(reflect.ValueOf(*pr.file))
		return n.check(v)
	}
	if pr.file != nil || n.kind == kindFile {
		return n.wrong
	}
	return n.parse(v, pr.value)
}

// flat says whether one text or several can be n's value.
func (n *node) flat() bool {
	switch n.kind {
	case kindObject, kindDict:
		return false
	case kindList:
		return n.elem.kind != kindList && n.elem.flat()
	case kindPointer, kindOptional:
		return n.elem.flat()
	default:
		return true
	}
}

// target returns the scalar in v that the next parameter is for: a new element
// of a list, or v itself, unless it has had one.
func (n *node) target(v reflect.Value, again bool) (*node, reflect.Value) {
	switch n.kind {
	case kindOptional:
		v.Field(1).SetBool(true)
		return n.elem.target(v.Field(0), again)
	case kindPointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return n.elem.target(v.Elem(), again)
	case kindList:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return n.elem.target(v.Index(v.Len()-1), false)
	default:
		if again {
			return nil, v
		}
		return n, v
	}
}

// whole runs the checks of a list that is complete.
func (n *node) whole(v reflect.Value) *Invalid {
	switch n.kind {
	case kindOptional:
		return n.elem.whole(v.Field(0))
	case kindPointer:
		return n.elem.whole(v.Elem())
	case kindList:
		return n.check(v)
	default: // has been checked
		return nil
	}
}

// parse is fill for a text from a form, where everything is text.
func (n *node) parse(v reflect.Value, s string) *Invalid {
	switch n.kind {
	case kindBool:
		switch s {
		case "true", "on", "1": // "on" is a checkbox
			s = "true"
		case "false", "off", "0":
			s = "false"
		default:
			return n.wrong
		}
	case kindFloat:
		if !isJSONNumber(s) { // ParseFloat also takes NaN, Inf, hexadecimal and underscores
			return n.wrong
		}
	case kindInt, kindUint:
		if strings.HasPrefix(s, "+") {
			return n.wrong
		}
	default: // as it is
	}
	return n.fill(v, s)
}
