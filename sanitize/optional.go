package sanitize

import "reflect"

// An Optional is a field that tells three things apart: absent (the zero
// Optional), null (Set and Null) and a value (Set). It is what a PATCH needs.
// The rules of its tags apply to a value, but for "required" and those like it, which
// ask for one, and "present", which asks for the name.
type Optional[T any] struct {
	Value T    // zero unless Set, and not Null
	Set   bool // the name was there
	Null  bool // with the value null
}

func (Optional[T]) optional() {}

// isOptional reports whether t is an Optional. Its fields are then, by index:
// Value, Set, Null.
func isOptional(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ optional() }]()) && t.Kind() == reflect.Struct && t.NumField() == 3
}
