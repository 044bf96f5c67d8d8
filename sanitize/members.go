package sanitize

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A member is a key of a map with its name in JSON.
type member struct {
	name string
	key  reflect.Value
}

// sortedMembers returns the keys of a map in the order of their names.
func sortedMembers(v reflect.Value) []member {
	list := make([]member, 0, v.Len())
	for _, key := range v.MapKeys() {
		list = append(list, member{keyName(key), key})
	}
	slices.SortFunc(list, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return list
}

// keyName returns the name of a key, as encoding/json writes it.
func keyName(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return key.String()
	}
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](key); ok {
		text, _ := m.MarshalText() // else it has no name
		return string(text)
	}
	return fmt.Sprint(key.Interface())
}
