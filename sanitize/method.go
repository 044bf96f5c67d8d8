package sanitize

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// validates is a type that checks itself once its fields are valid; validatesCtx also
// gets the context of the request.
type (
	validates    interface{ Validate() error }
	validatesCtx interface {
		Validate(ctx context.Context) error
	}
)

// hasMethod reports whether *t is a validates or validatesCtx.
func hasMethod(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[validates]()) || p.Implements(reflect.TypeFor[validatesCtx]())
}

// methods calls the Validate methods of v and of the structs in it, the inner ones
// first. A [*rampart.Problem] without field errors is the response.
func (f *findings) methods(n *node, v reflect.Value) *rampart.Problem {
	if f.full() {
		return nil
	}
	switch n.kind {
	case kindPointer:
		if v.IsNil() {
			return nil
		}
		return f.methods(n.elem, v.Elem())
	case kindOptional, kindNull:
		return f.methods(n.elem, v.Field(0))
	case kindList:
		for i := range v.Len() {
			f.underIndex(i)
			p := f.methods(n.elem, v.Index(i))
			if f.up(); p != nil {
				return p
			}
		}
	case kindDict:
		for _, m := range sortedMembers(v) {
			f.under(m.name)
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(m.key))
			p := f.methods(n.elem, elem)
			if f.up(); p != nil {
				return p
			}
			v.SetMapIndex(m.key, elem)
		}
	case kindObject:
		for i := range n.object.fields {
			fd := &n.object.fields[i]
			value, ok := fd.of(v, false)
			if !ok {
				continue
			}
			f.under(fd.name)
			p := f.methods(fd.node, value)
			if f.up(); p != nil {
				return p
			}
		}
	default:
		return nil
	}
	return f.method(v)
}

// method calls the Validate method of v, if it has one.
func (f *findings) method(v reflect.Value) *rampart.Problem {
	if !hasMethod(v.Type()) {
		return nil
	}
	var err error
	switch x := v.Addr().Interface().(type) {
	case validatesCtx:
		err = x.Validate(f.req.Context())
	case validates:
		err = x.Validate()
	}
	var inv *Invalid
	var p *rampart.Problem
	switch {
	case err == nil:
	case errors.As(err, &inv) && inv != nil: // a nil one in an error is an error
		f.note(inv)
	case errors.As(err, &p) && p != nil && len(p.Errors) == 0:
		return p
	case p != nil:
		f.noteAll(p.Errors)
	default:
		f.note(&Invalid{Code: CodeInvalid, Detail: "Invalid data."})
	}
	return nil
}

// noteAll notes errors whose pointers begin at what is being checked.
func (f *findings) noteAll(list []rampart.FieldError) {
	base := f.pointer()
	for _, e := range list {
		if f.full() {
			return
		}
		at := base + strings.TrimPrefix(e.Pointer, "#")
		place := f.place(at)
		if len(at) > len(base) && place.Pointer != "" {
			place.Pointer = strictjson.Fragment(base) + strings.TrimPrefix(e.Pointer, "#") // which is escaped already
		}
		e.Pointer, e.Parameter = place.Pointer, place.Parameter
		f.found = append(f.found, finding{FieldError: e, pointer: at})
	}
}

// fromPath fills the fields that come from the path of r's URL, which names the
// thing that the request is about: nothing in the body can say another.
func (d *decoder) fromPath(n *node, v reflect.Value, r pathValuer) {
	if n.kind != kindObject {
		return
	}
	place := d.place
	d.place = func(string) rampart.FieldError { return rampart.FieldError{} }
	for i := range n.object.paths {
		f := &n.object.paths[i]
		value, _ := f.of(v, true)
		d.place = func(string) rampart.FieldError { return rampart.FieldError{Parameter: f.name} }
		s := r.PathValue(f.name)
		if s == "" {
			d.absent = true
			d.visit(f.node, value)
			d.absent = false
			continue
		}
		inner := f.node
		for inner.kind == kindPointer || inner.kind == kindOptional || inner.kind == kindNull {
			value, inner = open(inner, value), inner.elem
		}
		if inv := inner.fromText(value, s); inv != nil {
			d.note(inv)
			continue
		}
		inv, _ := inner.check(&d.findings, value)
		d.note(inv)
	}
	d.place = place
}

// pathValuer is an [http.Request].
type pathValuer interface{ PathValue(name string) string }

// open makes v, which can be null, hold a value and returns it.
func open(n *node, v reflect.Value) reflect.Value {
	if n.kind == kindPointer {
		v.Set(reflect.New(v.Type().Elem()))
		return v.Elem()
	}
	v.Field(1).SetBool(true)
	return v.Field(0)
}
