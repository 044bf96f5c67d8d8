package sanitize

import (
	"reflect"
	"strings"

	"github.com/ecolaura/rampart"
)

// A decoder fills a Go value from JSON along a plan. It notes every field error
// in input order and goes on; only what cannot be read ends it.
type decoder struct {
	json    jsonReader
	unknown bool // names that no field has are ignored
	faults  faults
	seen    []bool // a stack: the fields that each open object has had
	body    []byte // reused from one request to the next
}

// faults collects field errors, up to a limit.
type faults struct {
	list []rampart.FieldError
	most int
}

// add notes an error. When the list is full, the answer is complete: the
// problem ends the reading.
func (f *faults) add(at rampart.FieldError, inv *Invalid) *rampart.Problem {
	at.Code, at.Detail = inv.Code, inv.Detail
	f.list = append(f.list, at)
	if len(f.list) >= f.most {
		return f.problem()
	}
	return nil
}

func (f *faults) problem() *rampart.Problem {
	if len(f.list) == 0 {
		return nil
	}
	return invalidInput(f.list)
}

// fault notes an error at the value that was read last.
func (d *decoder) fault(inv *Invalid) *rampart.Problem {
	return d.faults.add(rampart.FieldError{Pointer: fragment(d.json.pointer())}, inv)
}

// document reads body, one JSON value and nothing else, into v.
func (d *decoder) document(n *node, v reflect.Value, body []byte, l *Limits) *rampart.Problem {
	if p := d.json.reset(body, l); p != nil {
		return p
	}
	if p := d.value(n, v); p != nil {
		return p
	}
	if p := d.json.end(); p != nil {
		return p
	}
	return d.faults.problem()
}

// value reads one JSON value into v.
func (d *decoder) value(n *node, v reflect.Value) *rampart.Problem {
	if n.kind == kindPointer || n.kind == kindOptional {
		return d.nullable(n, v)
	}
	got := d.json.peek()
	switch {
	case got == 'n':
		return d.refuse(&Invalid{CodeNull, "This field may not be null."})
	case got == '{' && n.kind == kindObject:
		return d.object(n.object, v)
	case got == '{' && n.kind == kindDict:
		return d.dict(n, v)
	case got == '[' && n.kind == kindList:
		return d.list(n, v)
	case got == '"' && (n.kind == kindText || n.kind == kindParsed),
		got == '0' && (n.kind == kindInt || n.kind == kindUint || n.kind == kindFloat || n.decimal != nil),
		(got == 't' || got == 'f') && n.kind == kindBool:
		return d.scalar(n, v, got)
	default:
		return d.refuse(n.wrong)
	}
}

// refuse reads a value that does not fit.
func (d *decoder) refuse(inv *Invalid) *rampart.Problem {
	if p := d.json.skip(); p != nil {
		return p
	}
	return d.fault(inv)
}

func (d *decoder) nullable(n *node, v reflect.Value) *rampart.Problem {
	null := d.json.peek() == 'n'
	if n.kind == kindOptional {
		v.Field(1).SetBool(true)
		v.Field(2).SetBool(null)
		v = v.Field(0)
	}
	if null {
		return d.json.skip()
	}
	if n.kind == kindPointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return d.value(n.elem, v)
}

// scalar reads a string, number or boolean.
func (d *decoder) scalar(n *node, v reflect.Value, got jsonKind) *rampart.Problem {
	raw, p := d.json.scalar()
	if p != nil {
		return p
	}
	var inv *Invalid
	if got == '"' {
		inv = n.fill(v, string(d.json.unquote(raw)))
	} else {
		inv = n.fill(v, string(raw))
	}
	if inv != nil {
		return d.fault(inv)
	}
	return nil
}

func (d *decoder) list(n *node, v reflect.Value) *rampart.Problem {
	if p := d.json.open(); p != nil {
		return p
	}
	for i := 0; d.json.peek() != ']'; i++ {
		if i == v.Cap() {
			v.Grow(4) // most lists are short
		}
		v.SetLen(i + 1)
		if p := d.value(n.elem, v.Index(i)); p != nil {
			return p
		}
	}
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // [] is not null
	}
	return d.closed(n, v)
}

func (d *decoder) dict(n *node, v reflect.Value) *rampart.Problem {
	if p := d.json.open(); p != nil {
		return p
	}
	v.Set(reflect.MakeMap(v.Type()))
	elem := reflect.New(v.Type().Elem()).Elem()
	for d.json.peek() != '}' {
		name, p := d.name()
		if p != nil {
			return p
		}
		key := string(name)
		elem.SetZero()
		if p := d.value(n.elem, elem); p != nil {
			return p
		}
		if strings.Contains(key, "\x00") {
			if p := d.fault(nullCharacters()); p != nil {
				return p
			}
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
	}
	return d.closed(n, v)
}

// closed reads the end of a list or dict and checks it as a whole.
func (d *decoder) closed(n *node, v reflect.Value) *rampart.Problem {
	if p := d.json.close(); p != nil {
		return p
	}
	if inv := n.check(v); inv != nil {
		return d.fault(inv)
	}
	return nil
}

func (d *decoder) object(o *object, v reflect.Value) *rampart.Problem {
	if p := d.json.open(); p != nil {
		return p
	}
	base := len(d.seen)
	for range o.fields {
		d.seen = append(d.seen, false)
	}
	for d.json.peek() != '}' {
		name, p := d.name()
		if p != nil {
			return p
		}
		i, known := o.byName[string(name)]
		if !known {
			if p := d.stranger(o, string(name)); p != nil {
				return p
			}
			continue
		}
		d.seen[base+i] = true
		f := &o.fields[i]
		if p := d.value(f.node, f.of(v)); p != nil {
			return p
		}
	}
	if p := d.json.close(); p != nil {
		return p
	}
	seen := d.seen[base:]
	d.seen = d.seen[:base]
	for i := range o.fields {
		if f := &o.fields[i]; f.required && !seen[i] {
			at := rampart.FieldError{Pointer: fragment(under(d.json.pointer(), f.name))}
			if p := d.faults.add(at, missing()); p != nil {
				return p
			}
		}
	}
	return nil
}

// name reads the name of a member.
func (d *decoder) name() ([]byte, *rampart.Problem) {
	raw, p := d.json.scalar()
	if p != nil {
		return nil, p
	}
	return d.json.unquote(raw), nil
}

// stranger reads a value whose name no field has.
func (d *decoder) stranger(o *object, name string) *rampart.Problem {
	if p := d.json.skip(); p != nil {
		return p
	}
	if inv := o.stranger(name, d.unknown); inv != nil {
		return d.fault(inv)
	}
	return nil
}

// stranger says what is wrong with a name that no field has; nil if such names
// are ignored.
func (o *object) stranger(name string, ignore bool) *Invalid {
	switch {
	case o.folded[fold(name)]:
		return &Invalid{CodeWrongCase, "Unknown field: the case of its name is wrong."}
	case ignore:
		return nil
	}
	return unknownField()
}

// of returns the field in the struct v.
func (f *field) of(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}

func unknownField() *Invalid { return &Invalid{CodeUnknownField, "Unknown field."} }

func missing() *Invalid { return &Invalid{CodeRequired, "This field is required."} }

func nullCharacters() *Invalid {
	return &Invalid{CodeNullCharacters, "Null characters are not allowed."}
}
