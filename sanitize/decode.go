package sanitize

import (
	"reflect"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A decoder fills a Go value from JSON along a plan. It notes every field error
// in input order and goes on; only what cannot be read ends it.
type decoder struct {
	json    strictjson.Reader
	unknown bool // names that no field has are ignored
	faults  strictjson.Faults
	seen    []bool // a stack: the fields that each open object has had
	body    []byte // reused from one request to the next
	kept    []Upload
	good    bool // the uploads stay
}

// fault notes an error at the value that was read last, if it could be read.
func (d *decoder) fault(inv *Invalid) {
	if !d.json.Failed() {
		d.faultAt(d.json.Pointer(), inv)
	}
}

// faultAt notes an error. When the list is full, the answer is complete.
func (d *decoder) faultAt(pointer string, inv *Invalid) {
	if !d.faults.Add(inv.at(rampart.FieldError{Pointer: pointer})) {
		d.json.Stop()
	}
}

// document reads body, one JSON value and nothing else, into v.
func (d *decoder) document(n *node, v reflect.Value, body []byte, l *strictjson.Limits) *rampart.Problem {
	d.json.Start(body, l)
	d.value(n, v)
	d.json.End()
	if p := d.json.Problem(); p != nil {
		return p
	}
	return d.faults.Problem()
}

// value reads one JSON value into v.
func (d *decoder) value(n *node, v reflect.Value) {
	if n.kind == kindPointer || n.kind == kindOptional {
		d.nullable(n, v)
		return
	}
	got := d.json.Peek()
	switch {
	case got == 'n':
		d.refuse(shared(strictjson.ErrNull))
	case got == '{' && n.kind == kindObject:
		d.object(n.object, v)
	case got == '{' && n.kind == kindDict:
		d.dict(n, v)
	case got == '[' && n.kind == kindList:
		d.list(n, v)
	case got == '"' && (n.kind == kindText || n.kind == kindParsed),
		got == '0' && (n.kind == kindInt || n.kind == kindUint || n.kind == kindFloat || n.decimal != nil),
		(got == 't' || got == 'f') && n.kind == kindBool:
		d.scalar(n, v, got == '"')
	default:
		d.refuse(n.wrong)
	}
}

// refuse reads a value of another type than its field.
func (d *decoder) refuse(inv *Invalid) {
	d.json.Skip()
	d.faults.Misshapen = true
	d.fault(inv)
}

func (d *decoder) nullable(n *node, v reflect.Value) {
	null := d.json.Peek() == 'n'
	if n.kind == kindOptional {
		v.Field(1).SetBool(true)
		v.Field(2).SetBool(null)
		v = v.Field(0)
	}
	if null {
		d.json.Skip()
		return
	}
	if n.kind == kindPointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	d.value(n.elem, v)
}

// scalar reads a string, number or boolean.
func (d *decoder) scalar(n *node, v reflect.Value, quoted bool) {
	raw := d.json.Scalar()
	if quoted {
		raw = strictjson.Unquote(raw)
	}
	if d.json.Failed() {
		return
	}
	if inv := n.fill(v, string(raw)); inv != nil {
		d.fault(inv)
	}
}

func (d *decoder) list(n *node, v reflect.Value) {
	d.json.Bracket()
	for i := 0; d.json.More(); i++ {
		if i == v.Cap() {
			v.Grow(4) // most lists are short
		}
		v.SetLen(i + 1)
		d.value(n.elem, v.Index(i))
	}
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // [] is not null
	}
	d.closed(n, v)
}

func (d *decoder) dict(n *node, v reflect.Value) {
	d.json.Bracket()
	v.Set(reflect.MakeMap(v.Type()))
	elem := reflect.New(v.Type().Elem()).Elem()
	for d.json.More() {
		key := string(d.json.Name())
		elem.SetZero()
		d.value(n.elem, elem)
		if strings.Contains(key, "\x00") {
			d.fault(shared(strictjson.ErrNUL))
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
	}
	d.closed(n, v)
}

// closed reads the end of a list or dict and checks it as a whole.
func (d *decoder) closed(n *node, v reflect.Value) {
	d.json.Bracket()
	if inv := n.check(v); inv != nil {
		d.fault(inv)
	}
}

func (d *decoder) object(o *object, v reflect.Value) {
	d.json.Bracket()
	base := len(d.seen)
	d.seen = append(d.seen, make([]bool, len(o.fields))...)
	for d.json.More() {
		name := d.json.Name()
		i, known := o.byName[string(name)]
		if !known {
			d.stranger(o, string(name))
			continue
		}
		d.seen[base+i] = true
		d.value(o.fields[i].node, o.fields[i].of(v))
	}
	d.json.Bracket()
	seen := d.seen[base:]
	d.seen = d.seen[:base]
	for i := range o.fields {
		if f := &o.fields[i]; f.required && !seen[i] && !d.json.Failed() {
			d.faultAt(d.json.Member(f.name), shared(strictjson.ErrRequired))
		}
	}
}

// stranger reads a value whose name no field has.
func (d *decoder) stranger(o *object, name string) {
	d.json.Skip()
	if inv := o.stranger(name, d.unknown); inv != nil {
		d.fault(inv)
	}
}

// stranger says what is wrong with a name that no field has; nil if such names
// are ignored.
func (o *object) stranger(name string, ignore bool) *Invalid {
	switch {
	case o.folded[fold(name)]:
		return shared(strictjson.ErrWrongCase)
	case ignore:
		return nil
	}
	return shared(strictjson.ErrUnknown)
}

// of returns the field in the struct v.
func (f *field) of(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}
