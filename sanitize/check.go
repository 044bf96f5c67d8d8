package sanitize

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// visit cleans and checks v and what it holds, as f says.
func (f *findings) visit(n *node, v reflect.Value) {
	switch n.kind {
	case kindPointer:
		if v.IsNil() {
			f.nothing(n, v)
			return
		}
		f.visit(n.elem, v.Elem())
	case kindOptional:
		if !v.Field(1).Bool() || v.Field(2).Bool() {
			f.nothing(n, v.Field(0))
			return
		}
		f.visit(n.elem, v.Field(0))
	case kindNull:
		if !v.Field(1).Bool() {
			f.nothing(n, v.Field(0))
			return
		}
		f.visit(n.elem, v.Field(0))
	case kindAny:
		if v.IsNil() {
			f.nothing(n, v)
			return
		}
		f.own(n, v)
	case kindText:
		if f.clean && !f.scrub(n, v) {
			return
		}
		f.own(n, v)
	case kindList, kindDict, kindObject:
		f.holder(n, v)
	default:
		f.own(n, v)
	}
}

// own runs n's own rules and reports whether the rules of its parts apply.
func (f *findings) own(n *node, v reflect.Value) bool {
	if f.unruled {
		return true
	}
	inv, ended := n.check(f, v)
	if inv != nil && f.absent {
		inv = shared(strictjson.ErrRequired) // clearer than the rule that the zero value breaks
	}
	f.note(inv)
	return !ended
}

// nothing runs the rules for null on a null or missing value. The library gets a nil
// pointer.
func (f *findings) nothing(n *node, v reflect.Value) {
	if f.unruled {
		return
	}
	if n.kind == kindOptional || n.kind == kindNull {
		v = reflect.Zero(reflect.PointerTo(v.Type()))
	}
	for i := range n.null {
		if inv := n.null[i].run(f, v); inv != nil {
			f.note(inv)
			return
		}
	}
}

// holder visits a list, dict or struct.
func (f *findings) holder(n *node, v reflect.Value) {
	if n.kind == kindObject && f.shallow {
		f.own(n, v)
		return
	}
	if f.depth == 0 {
		f.note(&Invalid{Code: CodeTooDeep, Detail: "Nested too deeply."})
		return
	}
	f.depth--
	switch {
	case n.kind != kindObject && f.clean: // the rules of a list see its cleaned elements
		f.parts(n, v)
		f.own(n, v)
	case f.own(n, v), f.sent != nil && !f.absent: // a struct that a form has sent is checked, even if it is empty
		f.parts(n, v)
	}
	f.depth++
}

// parts visits the elements or fields of v.
func (f *findings) parts(n *node, v reflect.Value) {
	switch n.kind {
	case kindList:
		for i := range v.Len() {
			f.underIndex(i)
			f.visit(n.elem, v.Index(i))
			f.up()
		}
	case kindDict:
		f.members(n, v)
	default:
		f.fields(n.object, v)
	}
}

// fields visits the fields of the struct v. Fields with rules that look at other fields
// come last if cleaning changes those.
func (f *findings) fields(o *object, v reflect.Value) {
	parent := f.parent
	f.parent = v
	late := false
	for i := range o.fields {
		late = late || o.fields[i].node.late && f.clean && !f.unruled
		f.field(&o.fields[i], v, o.fields[i].node.late && f.clean)
	}
	if late {
		f.clean = false
		for i := range o.fields {
			if o.fields[i].node.late {
				f.field(&o.fields[i], v, false)
			}
		}
		f.clean = true
	}
	if !f.unruled {
		f.lib.level(f, v, o)
	}
	f.parent = parent
}

// field visits one field.
func (f *findings) field(fd *field, v reflect.Value, unruled bool) {
	value, ok := fd.of(v, false)
	if !ok || f.full() {
		return // an embedded pointer on the way is nil
	}
	absent, rules := f.absent, f.unruled
	f.under(fd.name)
	f.unruled = rules || unruled
	skip := false
	if f.sent != nil { // a form
		at := f.pointer()
		f.absent = absent || !f.sent[at]
		skip = f.faulty(at)
	}
	if !skip {
		f.visit(fd.node, value)
	}
	f.absent, f.unruled = absent, rules
	f.up()
}

// scrub cleans a text and reports whether it is valid UTF-8 without NUL.
func (f *findings) scrub(n *node, v reflect.Value) bool {
	s := v.String()
	switch {
	case strings.IndexByte(s, 0) >= 0:
		f.note(shared(strictjson.ErrNUL))
		return false
	case !utf8.ValidString(s):
		f.note(n.wrong)
		return false
	}
	for _, clean := range n.clean {
		s = clean(s)
	}
	v.SetString(s)
	return true
}

// members visits the keys and elements of a map, in the order of the keys' text.
func (f *findings) members(n *node, v reflect.Value) {
	for _, m := range sortedMembers(v) {
		f.under(m.name)
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.Set(m.key)
		elem.Set(v.MapIndex(m.key))
		f.visit(n.key, key)
		f.visit(n.elem, elem)
		if !key.Equal(m.key) {
			if v.MapIndex(key).IsValid() {
				f.note(shared(strictjson.ErrRepeated))
			}
			v.SetMapIndex(m.key, reflect.Value{})
		}
		v.SetMapIndex(key, elem)
		f.up()
	}
}
