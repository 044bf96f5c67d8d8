package sanitize

import (
	"reflect"
	"slices"
	"strings"
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
	kindParsed   // a type that is read from text
	kindJSON     // a type that reads itself from JSON
	kindAny      // an empty interface
	kindList     // a slice or array
	kindDict     // a map
	kindObject   // a struct
	kindFile     // a File
	kindPointer  // nil for null
	kindOptional // an Optional
	kindNull     // an sql.Null
)

// A nullable is a type that holds a value or null. A zero value in it counts as sent.
type nullable uint8

const (
	nothing nullable = iota
	aPointer
	anOptional // or an sql.Null
)

// A node is the compiled form of one Go type with the tags of one field. All
// tags are read once, by the constructor; a request touches only nodes.
type node struct {
	kind      kind
	typ       reflect.Type
	wrong     *Invalid                             // the error for a value of another type
	elem      *node                                // of a list, dict, pointer, Optional or sql.Null
	key       *node                                // of a dict
	object    *object                              // of a struct
	clean     []func(string) string                // cleaners of a text: run first, in order
	parse     func(v reflect.Value, s string) bool // of what is read from text
	numeric   bool                                 // the text is a number, and sent as one
	rules     []rule                               // run after the cleaners, in order, until one refuses
	null      []rule                               // run on null, and on a missing field, if the type can be null
	late      bool                                 // a rule looks at other fields, so it runs after they are filled
	behind    nullable                             // the nullable type that holds the value
	decimal   *decimal                             // of a text that may also be sent as a number
	files     []fileType                           // that a file may have
	fileTypes tag                                  // the rule that names them
	most      int64                                // bytes that a file may have
	uploads   *uploads
}

// An object is the compiled form of a struct type.
type object struct {
	typ    reflect.Type
	fields []field
	paths  []field // that the path of the URL fills, and nothing else
	byName map[string]int
	folded map[string]bool // names without case, to tell a misspelt name from an unknown one
}

type field struct {
	name  string
	index []int // for reflect, through embedded structs
	node  *node
}

// compiler builds nodes and collects every mistake on the way.
type compiler struct {
	rules    map[string]func(string) error
	cleaners map[string]func(string) string
	library  *library
	objects  map[objectKey]*object // also those being built: types may be recursive
	owner    reflect.Value         // a struct of the type whose fields are being compiled, zero but for the embedded pointers on the way to them
	bare     bool                  // the rules of these fields are switched off
	files    bool                  // there is a File somewhere
	methods  bool                  // a type has a method Validate
	uploads  *uploads
	typ      string // that is bound
	bad      *conferr.Mistakes
}

// objectKey is a struct type, with or without the rules of its fields.
type objectKey struct {
	t    reflect.Type
	bare bool
}

// mistake records a mistake in the bound type, at a path such as ".Name".
func (c *compiler) mistake(where string, reason rampart.Reason, value any, want string) {
	field := strings.TrimPrefix(where, ".")
	if field == "" {
		c.bad.Join(conferr.New("sanitize.NewBinder", "T", reason, value, want))
		return
	}
	c.bad.Join(conferr.New(c.typ, field, reason, value, want))
}

// object compiles the struct type t; where names it in error messages.
func (c *compiler) object(t reflect.Type, where string) *object {
	key := objectKey{t, c.bare}
	if o := c.objects[key]; o != nil {
		return o
	}
	o := &object{typ: t, byName: make(map[string]int), folded: make(map[string]bool)}
	c.objects[key] = o
	c.methods = c.methods || hasMethod(t)
	owner := c.owner
	c.owner = reflect.New(t).Elem()
	c.fields(o, t, nil, where)
	c.owner = owner
	return o
}

// fields adds the fields of t to o. Those of an embedded struct without a name
// of its own count as t's, as in encoding/json.
func (c *compiler) fields(o *object, t reflect.Type, index []int, where string) {
	for i := range t.NumField() {
		f := t.Field(i)
		at, path := where+"."+f.Name, append(slices.Clone(index), i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		tags := parseTags(f.Tag)
		inner, promoted := embedded(f)
		switch {
		case promoted && name == "":
			c.embed(o, f, inner, tags, path, at)
			continue
		case f.IsExported() && f.Tag.Get("path") != "":
			c.path(o, f, tags, path, at)
			continue
		case !f.IsExported() || name == "-" && options == "":
			if len(tags.clean)+len(tags.rules) > 0 && !tags.none() { // tags that do nothing mislead the reader
				c.mistake(at, rampart.ReasonPointless, nil, "the field is never read, so its tags do nothing; export it, or remove the tags")
			}
			continue
		case strings.Contains(","+options+",", ",string,"):
			c.mistake(at, ReasonUnsupported, `json:",string"`, "a number is sent as a number; use a text with the rule decimal for more digits")
		}
		if name == "" {
			name = f.Name
		}
		c.add(o, name, path, func() *node { return c.node(f.Type, tags, at, nothing) }, at)
	}
}

// add adds a field to o. As in encoding/json, a name hides the same name deeper
// in embedded structs.
func (c *compiler) add(o *object, name string, path []int, build func() *node, at string) {
	i, same := o.byName[name]
	switch {
	case same && len(o.fields[i].index) < len(path):
		return
	case same && len(o.fields[i].index) > len(path):
		o.fields[i] = field{name, path, build()}
		return
	case o.folded[fold(name)]: // also when they differ by case: other parsers would mix them up
		c.mistake(at, rampart.ReasonDuplicate, name, "another field has this name, upper and lower case apart; give each a name of its own")
		return
	}
	o.byName[name] = len(o.fields)
	o.folded[fold(name)] = true
	o.fields = append(o.fields, field{name, path, build()})
}

// embedded returns the struct whose fields f stands for, if it is embedded.
func embedded(f reflect.StructField) (t reflect.Type, ok bool) {
	t = f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, f.Anonymous && t.Kind() == reflect.Struct && !isParsed(t) && !readsJSON(t) && !isOptional(t) && !isSQLNull(t)
}

// embed adds the fields of the embedded struct type t.
func (c *compiler) embed(o *object, f reflect.StructField, t reflect.Type, tags tags, path []int, at string) {
	switch {
	case f.Type.Kind() == reflect.Pointer && !f.IsExported():
		c.mistake(at, ReasonUnsupported, f.Type, "reflection cannot set a pointer to an unexported struct; export the type, or embed it without the pointer")
		return
	case t == o.typ || len(path) > maxEmbedded:
		c.mistake(at, ReasonUnsupported, f.Type, "a struct cannot hold itself among its own fields; give the field a name")
		return
	case !tags.none() && slices.ContainsFunc(tags.rules, func(w tag) bool { return !isIdle(w.name, f.Type.Kind() == reflect.Pointer) }):
		c.mistake(at, ReasonUnsupported, "validate:"+tags.rules[0].String(), "the fields of an embedded struct are those of the outer one; give them the rules")
	}
	bare, owner := c.bare, c.owner
	c.bare = bare || tags.bare()
	if f.Type.Kind() == reflect.Pointer { // where a field of it is checked it is there
		c.owner = reflect.New(o.typ).Elem()
		c.owner.Set(owner)
		pointer, _ := (&field{index: path}).of(c.owner, true)
		pointer.Set(reflect.New(t))
	}
	c.fields(o, t, path, at)
	c.bare, c.owner = bare, owner
}

// isIdle reports whether a rule of an embedded struct asks nothing of the struct
// itself: it is always there, and a pointer to it may be nil.
func isIdle(rule string, pointer bool) bool {
	switch rule {
	case "structonly", "nostructlevel":
		return true
	case "omitempty", "omitnil":
		return pointer
	case "required":
		return !pointer
	}
	return false
}

// maxEmbedded bounds the depth of embedded structs: a pointer could make a circle.
const maxEmbedded = 16

// path adds a field that a path value of the URL fills.
func (c *compiler) path(o *object, f reflect.StructField, tags tags, path []int, at string) {
	n := c.node(f.Type, tags, at, nothing)
	inner := n
	for inner.elem != nil {
		inner = inner.elem
	}
	if where := strings.Count(at, "."); where != 1 || !n.flat() || n.kind == kindList || n.late || inner.kind == kindFile {
		c.mistake(at, ReasonUnsupported, "path:"+f.Tag.Get("path"), "a path value is one text, for a field at the top, with rules that ask no other field")
	}
	o.paths = append(o.paths, field{f.Tag.Get("path"), path, n})
}

// node compiles a field, list element or other value of type t. Behind a pointer or
// the like, zero is a value.
func (c *compiler) node(t reflect.Type, tags tags, where string, behind nullable) *node {
	n := &node{typ: t, behind: behind}
	switch {
	case isOptional(t):
		n.kind, n.elem = kindOptional, c.node(t.Field(0).Type, tags, where, anOptional)
	case isSQLNull(t):
		n.kind, n.elem = kindNull, c.node(t.Field(0).Type, tags, where, anOptional)
	case t.Kind() == reflect.Pointer && !isOptional(t.Elem()):
		n.kind, n.elem = kindPointer, c.node(t.Elem(), tags, where, aPointer)
	default:
		c.plain(n, where)
		c.parts(n, tags, where)
		return n
	}
	c.nulls(n, tags)
	n.late = n.late || n.elem.late
	return n
}

// parts compiles what n holds, then its tags.
func (c *compiler) parts(n *node, tags tags, where string) {
	own, t, bare := tags, n.typ, c.bare
	if c.bare = bare || tags.none(); c.bare {
		own.rules = nil
	}
	switch n.kind {
	case kindList, kindDict:
		own, keys, elems := split(own, n.kind == kindDict, n.kind == kindDict && t.Key().Kind() == reflect.String)
		n.elem = c.node(t.Elem(), elems, where, nothing)
		if n.kind == kindDict {
			n.key = c.node(t.Key(), keys, where, nothing)
			n.late = n.key.late
			c.checkKey(n.key, t, where)
		}
		n.late = n.late || n.elem.late
		c.steps(n, own, where)
		c.bare = bare
		return
	case kindObject:
		c.bare = c.bare || tags.bare()
		n.object = c.object(t, where)
	case kindAny:
		n.behind = aPointer
		c.nulls(n, own)
	default: // no parts
	}
	c.bare = bare
	c.steps(n, own, where)
}

// checkKey refuses types that no name of a JSON object can stand for.
func (c *compiler) checkKey(key *node, t reflect.Type, where string) {
	switch {
	case key.kind == kindText, key.kind == kindInt, key.kind == kindUint, key.kind == kindParsed && !key.numeric:
	default:
		c.mistake(where, ReasonUnsupported, t, "a key is a string, an integer or an encoding.TextUnmarshaler")
	}
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

// of returns the field in the struct v. An embedded pointer on the way is set if it
// is nil and fill says so; else there is no field.
func (f *field) of(v reflect.Value, fill bool) (reflect.Value, bool) {
	if len(f.index) == 1 {
		return v.Field(f.index[0]), true
	}
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			switch {
			case !v.IsNil():
			case fill:
				v.Set(reflect.New(v.Type().Elem()))
			default:
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

// stranger says what is wrong with a name that no field has; nil if such names
// are ignored.
func (o *object) stranger(name string, ignore bool) *Invalid {
	switch {
	case o.folded[fold(name)]:
		return shared(strictjson.ErrWrongCase)
	case ignore:
		return nil
	}
	return shared(strictjson.ErrUnknown)
}
