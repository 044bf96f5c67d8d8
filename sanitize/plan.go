package sanitize

import (
	"encoding"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// kind is what a node reads.
type kind uint8

const (
	kindText kind = iota // a string
	kindBool
	kindInt
	kindUint
	kindFloat
	kindParsed   // an encoding.TextUnmarshaler
	kindList     // a slice
	kindDict     // a map with string keys
	kindObject   // a struct
	kindFile     // a File
	kindPointer  // nil for null
	kindOptional // an Optional
)

// A node is the compiled form of one Go type with the tags of one field. All
// tags are read once, by the constructor; a request touches only nodes.
type node struct {
	kind      kind
	wrong     *Invalid              // what to say of a value of another type
	elem      *node                 // of a list, dict, pointer or Optional
	object    *object               // of a struct
	clean     []func(string) string // of a text: run first, in order
	text      []textRule            // of a text: run then, in order, until one refuses
	checks    []check               // of any other value
	omitEmpty bool                  // of a text: rules do not apply to ""
	decimal   *decimal              // of a text that may also be sent as a number
	files     []fileType            // that a file may have
	fileTypes tag                   // the rule that names them
	most      int64                 // bytes that a file may have
	uploads   *uploads
}

// An object is the compiled form of a struct type.
type object struct {
	fields []field
	byName map[string]int
	folded map[string]bool // names without case, to tell a misspelt name from an unknown one
}

type field struct {
	name     string
	index    []int // for reflect, through embedded structs
	node     *node
	required bool
}

// compiler builds nodes and collects every mistake on the way.
type compiler struct {
	rules    map[string]func(string) error
	cleaners map[string]func(string) string
	formats  formats
	objects  map[reflect.Type]*object // also those being built: types may be recursive
	files    bool                     // there is a File somewhere
	uploads  *uploads
	typ      string // that is bound
	bad      *conferr.Mistakes
}

// mistake is one in the struct type that is bound, at a path such as ".Name".
func (c *compiler) mistake(where string, reason rampart.Reason, value any, want string) {
	c.bad.Join(conferr.New(c.typ, strings.TrimPrefix(where, "."), reason, value, want))
}

// object compiles the struct type t; where names it in error messages.
func (c *compiler) object(t reflect.Type, where string) *object {
	if o := c.objects[t]; o != nil {
		return o
	}
	o := &object{byName: make(map[string]int), folded: make(map[string]bool)}
	c.objects[t] = o
	c.fields(o, t, nil, where)
	return o
}

// fields adds the fields of t to o. Those of an embedded struct without a name
// of its own count as t's, as in encoding/json.
func (c *compiler) fields(o *object, t reflect.Type, index []int, where string) {
	for i := range t.NumField() {
		f := t.Field(i)
		at, path := where+"."+f.Name, append(append([]int(nil), index...), i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		tags := parseTags(f.Tag)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct && name == "" && !isParsed(f.Type):
			c.fields(o, f.Type, path, at)
			continue
		case !f.IsExported() || name == "-" && options == "":
			if len(tags.clean)+len(tags.rules) > 0 { // somebody believes that they work
				c.mistake(at, rampart.ReasonPointless, nil, "the field is never read, so its tags do nothing; export it, or remove the tags")
			}
			continue
		case strings.Contains(","+options+",", ",string,"):
			c.mistake(at, ReasonUnsupported, `json:",string"`, "a number is sent as a number; use a text with the rule decimal for more digits")
		}
		if name == "" {
			name = f.Name
		}
		if o.folded[fold(name)] { // also when they differ by case: other parsers would mix them up
			c.mistake(at, rampart.ReasonDuplicate, name, "another field has this name, upper and lower case apart; give each a name of its own")
			continue
		}
		required := tags.take("required")
		o.byName[name] = len(o.fields)
		o.folded[fold(name)] = true
		o.fields = append(o.fields, field{name: name, index: path, required: required, node: c.node(f.Type, tags, at)})
	}
}

// node compiles a field, list element or other value of type t.
func (c *compiler) node(t reflect.Type, tags tags, where string) *node {
	switch {
	case isOptional(t):
		return &node{kind: kindOptional, elem: c.node(t.Field(0).Type, tags, where)}
	case t.Kind() == reflect.Pointer && t.Elem().Kind() != reflect.Pointer && !isOptional(t.Elem()):
		return &node{kind: kindPointer, elem: c.node(t.Elem(), tags, where)}
	}
	n := c.plain(t, where)
	switch n.kind {
	case kindList, kindDict:
		own, elems := tags.dive()
		n.elem, tags = c.node(t.Elem(), elems, where), own
	case kindObject:
		n.object = c.object(t, where)
	default: // no parts
	}
	c.steps(n, t, tags, where)
	return n
}

// plain returns a node for t without steps or parts.
func (c *compiler) plain(t reflect.Type, where string) *node {
	reads := func(k kind, code, detail string) *node {
		return &node{kind: k, wrong: &Invalid{Code: code, Detail: detail}}
	}
	if t == reflect.TypeFor[File]() {
		c.files = true
		n := reads(kindFile, CodeInvalid, "The submitted data was not a file. Check the encoding type on the form.")
		n.checks = []check{func(v reflect.Value) *Invalid { return n.checkFile(v.Addr().Interface().(*File)) }} //nolint:forcetypeassert // see above
		return n
	}
	if isParsed(t) {
		if t == reflect.TypeFor[time.Time]() {
			return reads(kindParsed, CodeInvalid, "Datetime has wrong format. Use RFC 3339, such as 2006-01-02T15:04:05Z.")
		}
		return reads(kindParsed, CodeInvalid, "Enter a valid value.")
	}
	switch t.Kind() {
	case reflect.String:
		return &node{kind: kindText, wrong: shared(strictjson.ErrText)}
	case reflect.Bool:
		return reads(kindBool, CodeInvalid, "Must be a valid boolean.")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return reads(kindInt, CodeInvalid, "A valid integer is required.")
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return reads(kindUint, CodeInvalid, "A valid integer is required.")
	case reflect.Float32, reflect.Float64:
		return reads(kindFloat, CodeInvalid, "A valid number is required.")
	case reflect.Struct:
		return &node{kind: kindObject, wrong: shared(strictjson.ErrObject)}
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 { // encoding/json would read base64 there
			return &node{kind: kindList, wrong: shared(strictjson.ErrList)}
		}
	case reflect.Map:
		if t.Key().Kind() == reflect.String && !isParsed(t.Key()) {
			return reads(kindDict, CodeNotADict, "Expected a dictionary of items.")
		}
	default: // an interface, say, would let the client choose the type
	}
	c.mistake(where, ReasonUnsupported, t, "use a string, bool, number, struct, pointer, Optional, list, map with string keys, File or encoding.TextUnmarshaler")
	return &node{kind: kindBool, wrong: &Invalid{}}
}

// isParsed reports whether a *t reads itself from text.
func isParsed(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fold returns s without case: of each rune the least one that differs from it
// only by case, so that the Kelvin sign is a k, as in encoding/json.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		return least
	}, s)
}
