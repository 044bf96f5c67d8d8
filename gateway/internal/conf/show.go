package conf

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Options of a field's tag, behind its name.
const (
	optInline = "inline" // a struct whose fields stand beside those around it
	optAuto   = "auto"   // made where it is not given, so it has no default
	optUnset  = "unset"  // a number whose zero is shown, and may be written, as null
	optShort  = "short"  // short for other fields, and never shown
	optShown  = "shown"  // made of other fields, so it is not in documents
	optOwn    = "own"    // not Kong's, whose clients do not see it where it is not set, and lose it by no PUT
)

// eachField calls do for the fields of a struct that documents have, those of
// inlined structs too.
func eachField(v reflect.Value, do func(name, option string, f reflect.Value)) {
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("k"), ",")
		switch {
		case option == optInline:
			eachField(v.Field(i), do)
		case name != "" && name != "-":
			do(name, option, v.Field(i))
		}
	}
}

// fieldNamed returns a field of a struct, the zero Value if it has none of that name.
func fieldNamed(v reflect.Value, wanted string) (found reflect.Value) {
	eachField(v, func(name, _ string, f reflect.Value) {
		if name == wanted {
			found = f
		}
	})
	return found
}

// JSON returns an entity as Kong's Admin API shows it: every field, null where
// it is not set.
func JSON(e Entity) map[string]any { return table(reflect.ValueOf(e).Elem()) }

// Show is JSON with what the Admin API adds: a certificate's names.
func (f *File) Show(e Entity) map[string]any {
	out := JSON(e)
	if c, ok := e.(*Certificate); ok {
		names := []string{}
		for _, s := range f.snisOf(c.ID) {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		out["snis"] = names
	}
	return out
}

func (f *File) snisOf(certificate string) (all []*SNI) {
	for _, s := range f.SNIs {
		if string(s.Certificate) == certificate {
			all = append(all, s)
		}
	}
	return all
}

func table(v reflect.Value) map[string]any {
	out := map[string]any{}
	for name, value := range offShown(v) {
		out[name] = offValue(value)
	}
	eachField(v, func(name, option string, f reflect.Value) {
		if option != optShort && (option != optOwn || !f.IsZero()) {
			out[name] = shown(option, f)
		}
	})
	return out
}

func shown(option string, v reflect.Value) any {
	if option == optUnset && v.IsZero() {
		return nil
	}
	return plain(v)
}

func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		return table(v)
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			if out[i] = plain(v.Index(i)); v.Type().Elem() == reflect.TypeFor[Ref]() {
				out[i] = v.Index(i).String()
			}
		}
		return out
	case reflect.Map:
		if v.Len() == 0 {
			return nil
		}
		return v.Interface()
	case reflect.String:
		switch {
		case v.String() == "":
			return nil
		case v.Type() == reflect.TypeFor[Ref]():
			return map[string]any{"id": v.String()}
		}
		return v.String()
	default:
		return v.Interface()
	}
}

// offShown is offOf, without what Kong 3 takes, but does not send.
func offShown(v reflect.Value) off {
	fields := offOf(v)
	delete(fields, "run_on")
	return fields
}

// offValue is how a field that Kong has and this gateway has not is shown: with
// the value by which it is off, as in what Kong sends; null if that is no single
// value.
func offValue(s string) any {
	if b, err := strconv.ParseBool(s); err == nil && (s == "true" || s == "false") {
		return b
	}
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	if s == "" || s == "*" || strings.Contains(s, "=") {
		return nil
	}
	return s
}
