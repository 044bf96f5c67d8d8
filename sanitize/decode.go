package sanitize

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A decoder fills a Go value from JSON along a plan. It notes every field error
// in input order and goes on; only what cannot be read ends it.
type decoder struct {
	findings

	json        strictjson.Reader
	unknown     bool    // names that no field has are ignored
	emptyAbsent bool    // so are the empty fields of a form
	seen        []sight // a stack with an entry for each field of each open object
	body        []byte  // reused from one request to the next
	kept        []Upload
	good        bool // the request is accepted, so the uploads stay
}

// A sight says what was seen of a field.
type sight uint8

const (
	unseen sight = iota
	good
	faulty // something is wrong with it already
)

// fault notes an error at the value that was read last, if it could be read. When
// the list is full, the response is complete.
func (d *decoder) fault(inv *Invalid) {
	if d.json.Failed() {
		return
	}
	if d.note(inv); d.full() {
		d.json.Stop()
	}
}

// document reads body, one JSON value and nothing else, into v.
func (d *decoder) document(n *node, v reflect.Value, body []byte, l *strictjson.Limits) *rampart.Problem {
	d.json.Start(body, l)
	d.value(n, v)
	d.json.End()
	return d.json.Problem()
}

// value reads one JSON value into v.
func (d *decoder) value(n *node, v reflect.Value) {
	switch n.kind {
	case kindPointer, kindOptional, kindNull:
		d.nullable(n, v)
		return
	case kindAny:
		d.anyValue(n, v)
		return
	case kindJSON:
		d.raw(n, v)
		return
	default: // as follows
	}
	got := d.json.Peek()
	switch {
	case got == 'n':
		d.refuse(shared(strictjson.ErrNull))
	case got == '{' && n.kind == kindObject:
		d.object(n, v)
	case got == '{' && n.kind == kindDict:
		d.dict(n, v)
	case got == '[' && n.kind == kindList:
		d.list(n, v)
	case got == '"' && (n.kind == kindText || n.kind == kindParsed && !n.numeric),
		got == '0' && (n.kind == kindInt || n.kind == kindUint || n.kind == kindFloat || n.decimal != nil || n.numeric),
		(got == 't' || got == 'f') && n.kind == kindBool:
		d.scalar(n, v, got == '"')
	default:
		d.refuse(n.wrong)
	}
}

// refuse reads a value of another type than its field.
func (d *decoder) refuse(inv *Invalid) {
	d.json.Skip()
	d.misshapen = true
	d.fault(inv)
}

// settle runs the rules of n on a value that has been read, unless they must wait.
func (d *decoder) settle(n *node, v reflect.Value) {
	if len(n.rules) > 0 && !n.late {
		if inv, _ := n.check(&d.findings, v); inv != nil {
			d.fault(inv)
		}
	}
}

func (d *decoder) nullable(n *node, v reflect.Value) {
	null := d.json.Peek() == 'n'
	whole := v
	switch n.kind {
	case kindOptional:
		v.Field(1).SetBool(true)
		v.Field(2).SetBool(null)
		v = v.Field(0)
	case kindNull:
		v.Field(1).SetBool(!null)
		v = v.Field(0)
	default:
		if !null {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
	}
	if !null {
		d.value(n.elem, v)
		return
	}
	if d.json.Skip(); !n.late && !d.json.Failed() {
		d.nothing(n, orField(n, whole))
	}
}

// orField returns the field of v that holds the value, if v is an Optional or the
// like.
func orField(n *node, v reflect.Value) reflect.Value {
	if n.kind == kindOptional || n.kind == kindNull {
		return v.Field(0)
	}
	return v
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
		return
	}
	d.settle(n, v)
}

// raw has a type read itself from JSON, within the limits and once.
func (d *decoder) raw(n *node, v reflect.Value) {
	raw := d.json.Raw()
	switch {
	case d.json.Failed():
	case strictjson.HasNUL(raw):
		d.fault(shared(strictjson.ErrNUL))
	case v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw) != nil: //nolint:forcetypeassert // readsJSON has seen to it
		d.fault(n.wrong)
	default:
		d.settle(n, v)
	}
}

// anyValue reads a value of any type, as encoding/json has them.
func (d *decoder) anyValue(n *node, v reflect.Value) {
	before := len(d.found)
	value := d.free()
	switch {
	case d.json.Failed() || len(d.found) > before:
	case value == nil && !n.late:
		d.nothing(n, v)
	case value != nil:
		v.Set(reflect.ValueOf(value))
		d.settle(n, v)
	}
}

// maxExact is the largest integer up to which a float64 holds every one.
const maxExact = 1 << 53

func (d *decoder) free() any {
	switch d.json.Peek() {
	case '{':
		d.json.Bracket()
		object := map[string]any{}
		for d.json.More() {
			name := string(d.json.Name())
			if strings.IndexByte(name, 0) >= 0 {
				d.fault(shared(strictjson.ErrNUL))
			}
			object[name] = d.free()
		}
		d.json.Bracket()
		return object
	case '[':
		d.json.Bracket()
		list := []any{}
		for d.json.More() {
			list = append(list, d.free())
		}
		d.json.Bracket()
		return list
	case '"':
		s := string(strictjson.Unquote(d.json.Scalar()))
		if strings.IndexByte(s, 0) >= 0 {
			d.fault(shared(strictjson.ErrNUL))
		}
		return s
	case '0':
		raw := string(d.json.Scalar())
		number, err := strconv.ParseFloat(raw, 64)
		if err != nil || math.Abs(number) >= maxExact && !strings.ContainsAny(raw, ".eE") && strconv.FormatFloat(number, 'f', 0, 64) != raw {
			d.fault(&Invalid{Code: CodeInvalid, Detail: "The number cannot be held exactly."})
		}
		return number
	case 't', 'f':
		return string(d.json.Scalar()) == "true"
	default:
		d.json.Scalar()
		return nil
	}
}

func (d *decoder) list(n *node, v reflect.Value) {
	d.json.Bracket()
	fixed := v.Kind() == reflect.Array
	i := 0
	for ; d.json.More(); i++ {
		switch {
		case fixed && i >= v.Len():
			d.json.Skip()
			continue
		case fixed:
		case i == v.Cap():
			v.Grow(4) // most lists are short
			fallthrough
		default:
			v.SetLen(i + 1)
		}
		d.value(n.elem, v.Index(i))
	}
	d.json.Bracket()
	switch {
	case fixed && i != v.Len():
		d.fault(&Invalid{Code: CodeInvalid, Detail: "Ensure this field has exactly " + strconv.Itoa(v.Len()) + " elements."})
		return
	case !fixed && v.IsNil():
		v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // [] is not null
	}
	d.settle(n, v)
}

func (d *decoder) dict(n *node, v reflect.Value) {
	d.json.Bracket()
	v.Set(reflect.MakeMap(v.Type()))
	elem, key := reflect.New(v.Type().Elem()).Elem(), reflect.New(v.Type().Key()).Elem()
	for d.json.More() {
		name := string(d.json.Name())
		elem.SetZero()
		d.value(n.elem, elem)
		if d.json.Failed() {
			return
		}
		key.SetZero()
		inv := n.member(v, key, name)
		if inv == nil && !n.key.late {
			inv, _ = n.key.check(&d.findings, key)
		}
		if inv != nil {
			d.fault(inv)
		}
		v.SetMapIndex(key, elem)
	}
	d.json.Bracket()
	d.settle(n, v)
}

// member reads the key of a member of the map v. Two names must not become one key.
func (n *node) member(v, key reflect.Value, name string) *Invalid {
	if inv := n.key.parseKey(key, name); inv != nil {
		return inv
	}
	return refuseIf(v.MapIndex(key).IsValid(), shared(strictjson.ErrRepeated))
}

// parseKey fills key, for an integer in the one form in which it is written.
func (n *node) parseKey(key reflect.Value, name string) *Invalid {
	inv := n.fill(key, name)
	switch {
	case inv != nil:
		return inv
	case n.kind == kindInt && strconv.FormatInt(key.Int(), 10) != name, n.kind == kindUint && strconv.FormatUint(key.Uint(), 10) != name:
		return n.wrong
	}
	return nil
}

func (d *decoder) object(n *node, v reflect.Value) {
	o := n.object
	d.json.Bracket()
	base := len(d.seen)
	d.seen = append(d.seen, make([]sight, len(o.fields))...)
	for d.json.More() {
		name := d.json.Name()
		i, known := o.byName[string(name)]
		if !known {
			d.stranger(o, string(name))
			continue
		}
		before := len(d.found)
		fv, _ := o.fields[i].of(v, true)
		d.value(o.fields[i].node, fv)
		d.seen[base+i] = good
		if len(d.found) > before {
			d.seen[base+i] = faulty
		}
	}
	d.json.Bracket()
	if !d.json.Failed() {
		d.complete(n, v, d.seen[base:])
	}
	d.seen = d.seen[:base]
}

// complete checks the missing fields of v, and those with rules that look at other
// fields.
func (d *decoder) complete(n *node, v reflect.Value, seen []sight) {
	parent := d.parent
	d.parent = v
	for i := range n.object.fields {
		f := &n.object.fields[i]
		value, ok := f.of(v, false)
		if !ok || seen[i] == faulty || seen[i] == good && !f.node.late {
			continue
		}
		d.under(f.name)
		d.absent, d.shallow = seen[i] == unseen, seen[i] == good
		d.visit(f.node, value)
		d.absent, d.shallow = false, false
		d.up()
	}
	d.lib.level(&d.findings, v, n.object)
	d.parent = parent
	if d.full() {
		d.json.Stop()
		return
	}
	d.settle(n, v)
}

// stranger reads a value whose name no field has.
func (d *decoder) stranger(o *object, name string) {
	d.json.Skip()
	if inv := o.stranger(name, d.unknown); inv != nil {
		d.fault(inv)
	}
}
