package sanitize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A library runs the validate tags for which this package has no rule of its own.
type library struct {
	v      *validator.Validate // with the rules of this package and of the user
	plain  *validator.Validate // without changes
	levels bool                // the user may have registered rules for whole structs
}

// newLibrary returns a library with the rules of this package in place of those of
// the same name, then those of rules, then what setUp registers.
func newLibrary(rules map[string]func(string) error, l *strictjson.Limits, setUp func(*validator.Validate) error) (*library, error) {
	lib := &library{v: validator.New(), plain: validator.New(), levels: setUp != nil}
	lib.v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for _, name := range ownNames() {
		own := ownRule(name)
		lib.register(name, func(s string) bool { _, err := own(s); return err == nil })
	}
	for name, strict := range stricter(l) {
		_ = lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool { // its name is no reserved one
			if f.Field().Kind() != reflect.String {
				return lib.plain.Var(f.Field().Interface(), name) == nil
			}
			s := f.Field().String()
			return len(s) <= mostOf(name) && (name == "port" || lib.plain.Var(s, name) == nil) && strict(s)
		})
	}
	for _, name := range []string{"image", "mimetype"} {
		_ = lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool { // its name is no reserved one
			path, word := f.Field().String(), tag{name, strings.ReplaceAll(f.Param(), ",", "0x2C")}
			info, err := os.Stat(path)
			return err == nil && info.Mode().IsRegular() && lib.plain.Var(path, word.String()) == nil // to open a pipe could take for ever
		})
	}
	for name, check := range rules {
		if check != nil {
			lib.register(name, func(s string) bool { return check(s) == nil })
		}
	}
	if setUp == nil {
		return lib, nil
	}
	return lib, call(func() error { return setUp(lib.v) })
}

// register makes valid a rule of the library for strings. The library refuses a name
// with a character that has a meaning in tags; such a rule works everywhere but in the
// library's aliases and choices.
func (lib *library) register(name string, valid func(string) bool) {
	_ = call(func() error {
		return lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool {
			return f.Field().Kind() == reflect.String && valid(f.Field().String())
		})
	})
}

// call returns the error of f, or what it panicked with: the library panics on a tag
// that it cannot apply.
func call(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r)}
		}
	}()
	return f()
}

// ask returns the library's verdict on the value of the field called name in the struct
// parent, which is nil if the rule looks at the value only. A panic counts as a refusal.
func (lib *library) ask(ctx context.Context, name string, value, parent any, word string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r)}
		}
	}()
	if parent != nil {
		return lib.v.VarWithValueCtx(ctx, value, parent, word)
	}
	return lib.v.VarWithKeyCtx(ctx, name, value, word)
}

// panicked is what the library panicked with.
type panicked struct{ text string }

func (p *panicked) Error() string { return p.text }

// rule compiles the library's rule w for n, a field of the struct owner, or returns the
// reason why it cannot. It is tried here, so that it does not panic at a request.
func (lib *library) rule(n *node, w tag, owner reflect.Value) (r rule, reason rampart.Reason) {
	builtIn := lib.knows(lib.plain, w.name)
	switch {
	case !builtIn && !lib.knows(lib.v, w.name):
		return r, rampart.ReasonUnknown
	case builtIn && !takesParam(w, n):
		return r, rampart.ReasonInvalid
	case builtIn && !lib.fits(w.name, n):
		return r, ReasonUnsupported
	case builtIn && !asksExisting(w, owner), (w.name == "oneof" || w.name == "noneof") && !n.holdsAll(w.param):
		return r, rampart.ReasonInvalid
	}
	word, late, most, inv := w.String(), lib.asksOthers(w), mostOf(w.name), libraryInvalid(w, owner)
	if !builtIn {
		most = math.MaxInt
	}
	presence, key := n.isStruct() && (lib.takesNil(w) || w.name == "isdefault"), ""
	if n.isStruct() && !presence { // by itself the library runs rules of a struct only under a name, and then those of its fields
		word, key, late = word+",nostructlevel", "it", false
	}
	if n.kind != kindAny {
		for _, trial := range trials(w) {
			if err := lib.try(n, owner, trial, late, presence); err != nil {
				return r, whyNot(err)
			}
		}
	}
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		if v.Kind() == reflect.String && v.Len() > most {
			return inv
		}
		switch {
		case presence && v.Kind() == reflect.Struct:
			v = reflect.ValueOf(n.behind != nothing || !v.IsZero())
		case n.kind == kindAny:
			v = pointerTo(v)
		case n.behind != nothing:
			v = v.Addr()
		}
		var parent any
		if late && f.parent.IsValid() {
			parent = f.parent.Interface()
		}
		return refuseIf(lib.ask(f.req.Context(), key, v.Interface(), parent, word) != nil, inv)
	}}, ""
}

// isStruct reports whether the library treats n's type as a struct, which it does not
// with a time.
func (n *node) isStruct() bool {
	return n.typ.Kind() == reflect.Struct && !n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
}

// pointerTo returns a pointer to what is in the interface v, or a nil one: the library
// asks it as it would ask the field.
func pointerTo(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Interface {
		return v
	}
	if v.IsNil() {
		return reflect.Zero(reflect.TypeFor[*any]())
	}
	p := reflect.New(v.Elem().Type())
	p.Elem().Set(v.Elem())
	return p
}

// holdsAll reports whether each of the choices is a number that n's type can hold, if it
// is an integer: no other could ever be chosen.
func (n *node) holdsAll(choices string) bool {
	for choice := range strings.FieldsSeq(choices) {
		if (n.kind == kindInt || n.kind == kindUint) && !n.number(reflect.New(n.typ).Elem(), choice) {
			return false
		}
	}
	return true
}

// try runs a rule on a zero value, and on a list that has one. Its verdict does not
// matter.
func (lib *library) try(n *node, owner reflect.Value, word string, late, presence bool) error {
	values := []reflect.Value{reflect.New(n.typ).Elem()}
	switch {
	case presence:
		values[0] = reflect.ValueOf(false)
	case n.isStruct():
		word += ",nostructlevel"
	case n.typ.Kind() == reflect.Slice:
		values = append(values, reflect.MakeSlice(n.typ, 1, 1))
	}
	var parent any
	if late && owner.IsValid() {
		parent = owner.Interface()
	}
	for _, v := range values {
		if p, ok := errors.AsType[*panicked](lib.ask(context.Background(), "it", v.Interface(), parent, word)); ok {
			return p
		}
	}
	return nil
}

// trials returns what to try of w: each of its pairs, as it looks no further than
// the first that does not apply.
func trials(w tag) []string {
	words := strings.Fields(w.param)
	if !asksPairs(w.name) || len(words)%2 != 0 || strings.Contains(w.param, "'") {
		return []string{w.String()}
	}
	list := []string{w.String()} // which also finds a field that is asked twice
	for pair := range slices.Chunk(words, 2) {
		list = append(list, w.name+"="+strings.Join(pair, " "))
	}
	return list
}

func whyNot(err error) rampart.Reason {
	switch text := err.Error(); {
	case strings.Contains(text, "Undefined validation"):
		return rampart.ReasonUnknown
	case strings.HasPrefix(text, "Bad field type"):
		return ReasonUnsupported
	}
	return rampart.ReasonInvalid
}

// knows reports whether v has a rule or alias of the given name.
func (lib *library) knows(v *validator.Validate, name string) bool {
	p, bad := errors.AsType[*panicked](call(func() error { return v.Var("", name) }))
	return name != "" && (!bad || whyNot(p) != rampart.ReasonUnknown)
}

// asksOthers reports whether the rule w looks at other fields. A rule that the user
// registers may.
func (lib *library) asksOthers(w tag) bool {
	for name := range strings.SplitSeq(w.name, "|") {
		name, _, _ = strings.Cut(name, "=")
		if lib.takesNil(tag{name: name}) || asksField(name) || name == "unique" && w.param != "" ||
			ownControl(name) == nil && ownRule(name) == nil && !isBound(name) && !lib.knows(lib.plain, name) && lib.knows(lib.v, name) && lib.levels {
			return true
		}
	}
	return false
}

// takesNil reports whether the library runs the rule w on nil, too. In a choice the
// first rule decides.
func (lib *library) takesNil(w tag) bool {
	name, _, _ := strings.Cut(w.name, "|")
	name, _, _ = strings.Cut(name, "=")
	return asksPairs(name) || strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_")
}

// ofNil compiles the rule w for a nil pointer.
func (lib *library) ofNil(n *node, w tag, owner reflect.Value) (r rule, reason rampart.Reason) {
	if !strings.Contains(w.name, "|") {
		return lib.rule(n, w, owner)
	}
	inv := shared(strictjson.ErrRequired)
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		return refuseIf(lib.ask(f.req.Context(), "", pointerTo(v).Interface(), f.parent.Interface(), w.String()) != nil, inv)
	}}, ""
}
