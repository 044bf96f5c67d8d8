package sanitize

import (
	"errors"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
)

// level runs the rules that the user has registered for whole structs of v's type.
func (lib *library) level(f *findings, v reflect.Value, o *object) {
	if !lib.levels {
		return
	}
	var broken validator.ValidationErrors
	err := call(func() error { return lib.v.StructCtx(f.req.Context(), v.Addr().Interface()) })
	if err == nil {
		return
	}
	if !errors.As(err, &broken) {
		f.note(&Invalid{Code: CodeInvalid, Detail: "Invalid data."})
		return
	}
	for _, e := range broken {
		inv := &Invalid{Code: e.Tag(), Detail: "Enter a valid value."}
		if f.localised {
			inv.rule = e
		}
		f.under(o.nameOf(e.StructField(), e.Field()))
		f.note(inv)
		f.up()
	}
}

// prepare switches off the library's rules for the fields of t, which this package
// runs itself, and leaves it those for the whole struct.
func (lib *library) prepare(t reflect.Type) {
	off := make(map[string]string, t.NumField())
	for i := range t.NumField() {
		off[t.Field(i).Name] = "-"
	}
	lib.v.RegisterStructValidationMapRules(off, reflect.New(t).Elem().Interface())
}

// nameOf returns the name in the input of a field that a struct rule reports.
func (o *object) nameOf(structField, field string) string {
	for i := range o.fields {
		if o.typ.FieldByIndex(o.fields[i].index).Name == structField {
			return o.fields[i].name
		}
	}
	return field
}

// localise adds the library's own error of the broken rule to inv, for a catalogue.
func (f *findings) localise(w tag, v reflect.Value, inv *Invalid) *Invalid {
	if !f.localised {
		return inv
	}
	var parent any
	if f.parent.IsValid() && f.lib.asksOthers(w) {
		parent = f.parent.Interface()
	}
	var broken validator.ValidationErrors
	if !errors.As(f.lib.ask(f.req.Context(), f.name(), v.Interface(), parent, w.String()), &broken) {
		return inv
	}
	with := *inv
	with.rule = broken[0]
	return &with
}

// name returns the name of the field that is being checked, or that holds the element.
func (f *findings) name() string {
	name := ""
	for token := range strings.SplitSeq(f.pointer(), "/") {
		if strings.Trim(token, "0123456789") != "" {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		}
	}
	return name
}
