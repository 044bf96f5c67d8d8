package sanitize

import (
	"reflect"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A place makes the error address of a parameter: a form's is a pointer into
// the body, as if it were JSON, so that one client code serves both.
type place func(name string) rampart.FieldError

func inBody(name string) rampart.FieldError {
	return rampart.FieldError{Pointer: strictjson.Fragment(strictjson.Under("", name))}
}

func inQuery(name string) rampart.FieldError {
	if len(name) > strictjson.MaxPointer {
		name = ""
	}
	return rampart.FieldError{Parameter: name}
}

// form reads an urlencoded body into v.
func (d *decoder) form(n *node, v reflect.Value, body string, l *Limits) *rampart.Problem {
	list, fault := strictjson.Pairs(body, l.MaxParams)
	if fault != nil {
		return strictjson.Unreadable.Problem(fault.At("#"))
	}
	return d.params(n.object, v, list, inBody, l)
}

// params stores the parameters in the fields of v. Fields that take an object
// or dict are not reachable this way.
func (d *decoder) params(o *object, v reflect.Value, list []strictjson.Pair, at place, l *Limits) *rampart.Problem {
	d.seen = append(d.seen[:0], make([]bool, len(o.fields))...)
	for _, pr := range list {
		if inv := d.param(o, v, pr, l); inv != nil && !d.faults.Add(inv.at(at(pr.Name))) {
			return d.faults.Problem()
		}
	}
	for i := range o.fields {
		f := &o.fields[i]
		var inv *Invalid
		switch {
		case f.required && !d.seen[i]:
			inv = shared(strictjson.ErrRequired)
		case d.seen[i]:
			inv = f.node.whole(f.of(v))
		}
		if inv != nil && !d.faults.Add(inv.at(at(f.name))) {
			return d.faults.Problem()
		}
	}
	return d.faults.Problem()
}

// param stores one parameter.
func (d *decoder) param(o *object, v reflect.Value, pr strictjson.Pair, l *Limits) *Invalid {
	i, known := o.byName[pr.Name]
	switch {
	case !known:
		return o.stranger(pr.Name, d.unknown)
	case !o.fields[i].node.flat():
		return shared(strictjson.ErrUnknown)
	}
	f := &o.fields[i]
	again := d.seen[i]
	d.seen[i] = true
	n, v := f.node.target(f.of(v), again)
	inv, bad := pr.Part.(*Invalid)
	file, isFile := pr.Part.(*File)
	switch {
	case bad:
		return inv
	case len(pr.Value) > l.MaxString:
		return shared(strictjson.ErrTextTooLong)
	case n == nil: // the first wins in one parser, the last in another
		d.faults.Misshapen = true
		return shared(strictjson.ErrRepeated)
	case isFile != (n.kind == kindFile):
		d.faults.Misshapen = true
		return n.wrong
	case isFile:
		v.Set(reflect.ValueOf(*file))
		return n.check(v)
	}
	return n.parse(v, pr.Value)
}

// flat reports whether one text or several can be n's value.
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
		if !strictjson.IsNumber(s) { // ParseFloat also takes NaN, Inf, hexadecimal and underscores
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
