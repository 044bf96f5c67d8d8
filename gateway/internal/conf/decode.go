package conf

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// formTag marks a scalar that came from a form: text whose type is the field's.
const formTag = "!form"

// A decoder fills entities from a document, and collects what does not fit.
type decoder struct {
	known    Plugins
	old      bool       // the document is from before 3.0
	shared   *yaml.Node // _plugin_configs; nil: there are none
	mistakes Mistakes
	unread   map[string]bool // paths of placeholders, which look wrong in every other way too
}

func (d *decoder) bad(n *yaml.Node, path, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{Line: n.Line, Path: path, Reason: fmt.Sprintf(format, args...)})
}

// note is bad for what is not wrong.
func (d *decoder) note(n *yaml.Node, path, format string, args ...any) {
	d.bad(n, path, format, args...)
	d.mistakes[len(d.mistakes)-1].Note = true
}

// defaults makes the elements of a list of entities.
type defaulter interface{ defaults() any }

// into decodes n into v, which holds the defaults. Structs are merged, all else
// is replaced. lines, if not nil, gets the line of each field below at.
func (d *decoder) into(n *yaml.Node, v reflect.Value, path, at string, lines map[string]int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if lines != nil {
		lines[at] = n.Line
	}
	if n.Kind == yaml.ScalarNode && d.unfilled(n, path) {
		if v.Kind() == reflect.String {
			v.SetString(n.Value) // or it would be missing, too
		}
		return
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		switch v.Kind() {
		case reflect.String, reflect.Slice, reflect.Map, reflect.Pointer:
			v.SetZero()
		default: // what Kong sends for an unset field
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.into(n, v.Elem(), path, at, lines)
	case reflect.Interface:
		if v.IsNil() {
			return // of a plugin that there is not, which is a mistake already
		}
		d.into(n, v.Elem(), path, at, lines)
	case reflect.Struct:
		d.structure(n, v, path, at, lines)
	case reflect.Slice:
		d.list(n, v, path, at, lines)
	case reflect.Map:
		d.table(n, v, path, at, lines)
	default:
		d.scalar(n, v, path)
	}
}

// join puts a field behind a path.
func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path, at string, lines map[string]int) {
	if n.Kind != yaml.MappingNode {
		d.bad(n, path, "a table of fields is wanted")
		return
	}
	if e, ok := reflect.TypeAssert[interface{ at() *meta }](v.Addr()); ok {
		m := e.at()
		m.path, m.line, m.lines = path, n.Line, map[string]int{}
		at, lines = "", m.lines
	}
	if p, ok := reflect.TypeAssert[*Plugin](v.Addr()); ok && p.Config == nil {
		p.Config = d.known.config(child(n, "name")) // config may stand before name
		d.sharedConfig(p, n, path)
	}
	fields := fieldsOf(v)
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := key.Value
		f, ok := fields[name]
		if since := oldName(name); !ok && since != "" && fields[since].IsValid() {
			if f, ok = fields[since], d.old; !ok {
				d.bad(key, join(path, name), "unknown field: since 3.0 it is called %s", since)
				continue
			}
			name = since
		}
		switch {
		case seen[name]:
			d.bad(key, join(path, name), "given twice")
		case !ok && (d.aside(v, name, value, path) || inert(v, name, value)):
		case !ok:
			d.unknown(key, v, path, fields)
		default:
			d.into(value, f, join(path, name), join(at, name), lines)
		}
		seen[name] = true
	}
}

// aside reports whether a field is for people or tools and changes nothing: Kong
// has them in every entity.
func (d *decoder) aside(v reflect.Value, name string, value *yaml.Node, path string) bool {
	_, entity := reflect.TypeAssert[interface{ at() *meta }](v.Addr())
	doc := v.Type() == reflect.TypeFor[document]()
	_, plugin := reflect.TypeAssert[*Plugin](v.Addr())
	if t, ok := reflect.TypeAssert[interface{ Noted() map[string]string }](v.Addr()); ok && t.Noted()[name] != "" {
		if !inert(v, name, value) {
			d.note(value, join(path, name), "%s", t.Noted()[name])
		}
		return true
	}
	switch name {
	case "_comment":
		return (entity || doc) && value.Kind == yaml.ScalarNode
	case "_ignore":
		return (entity || doc) && value.Kind == yaml.SequenceNode
	case "_config":
		return plugin // see sharedConfig
	case "_plugin_configs":
		return doc && value.Kind == yaml.MappingNode
	case "_konnect", "_workspace":
		if doc {
			d.note(value, name, "it tells decK where to send this document, and this gateway nothing")
		}
		return doc
	}
	return false
}

// sharedConfig decodes what _config names, before the plugin's own configuration
// goes over it.
func (d *decoder) sharedConfig(p *Plugin, n *yaml.Node, path string) {
	name := field(n, "_config")
	if name == nil || p.Config == nil {
		return
	}
	var shared *yaml.Node
	if d.shared != nil && d.shared.Kind == yaml.MappingNode {
		shared = field(d.shared, name.Value)
	}
	if shared == nil {
		d.bad(name, join(path, "_config"), "there is none of that name in _plugin_configs: %q", name.Value)
		return
	}
	d.into(shared, reflect.ValueOf(&p.Config).Elem(), join("_plugin_configs", name.Value), "", nil)
}

// unknown says what is to be done about a field that is not there.
func (d *decoder) unknown(key *yaml.Node, v reflect.Value, path string, fields map[string]reflect.Value) {
	name := key.Value
	off, known := offOf(v)[name]
	field, want, table := strings.Cut(off, "=")
	reason := hint(name, fields)
	switch {
	case reason != "":
	case known && table && want == "":
		reason = fmt.Sprintf(": Kong has it and this gateway has not; leave it out, or without %s", field)
	case known && table:
		reason = fmt.Sprintf(": Kong has it and this gateway has not; leave it out, or let each %s in it be %s", field, want)
	case known && off != "" && off != "*":
		reason = fmt.Sprintf(": Kong has it and this gateway has not; leave it out, or let it be %s", off)
	case known:
		reason = ": Kong has it and this gateway has not; leave it out"
	case foreign(name) && strings.LastIndexByte(path, '.') <= strings.LastIndexByte(path, '['): // not inside config
		reason = ": an entity that Kong has and this gateway has not; leave it out, with what needs it"
	case path != "":
		reason = ": there are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
	}
	d.bad(key, join(path, name), "unknown field%s", reason)
}

// child returns the text of a field, "" if it is not there.
func child(n *yaml.Node, name string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; n.Content[i].Value == name {
			if value.Kind == yaml.AliasNode { // its own Value is the anchor's name
				value = value.Alias
			}
			return value.Value
		}
	}
	return ""
}

// hint proposes the field that was probably meant.
func hint(name string, fields map[string]reflect.Value) string {
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		if strings.EqualFold(f, name) || near(f, name) {
			return fmt.Sprintf(" (%s?)", f)
		}
	}
	return ""
}

// near reports whether a and b differ by one letter that is missing or another, or
// by two that have changed places.
func near(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a)-len(b) > 1 || len(b) < 3 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i+1 < len(b) && (a[i+1:] == b[i+1:] || a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
	}
	return a[i+1:] == b[i:]
}

// fieldsOf returns the fields of a struct by their names in a document, those
// of inlined structs too.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	eachField(v, func(name, _ string, f reflect.Value) { fields[name] = f })
	return fields
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path, at string, lines map[string]int) {
	nodes := n.Content
	if n.Kind != yaml.SequenceNode {
		if n.Tag != formTag { // a form has no other way to write a list of one
			d.bad(n, path, "a list is wanted")
			return
		}
		nodes = []*yaml.Node{n}
	}
	out := reflect.MakeSlice(v.Type(), 0, len(nodes))
	for i, e := range nodes {
		el := reflect.New(v.Type().Elem()).Elem()
		if def, ok := reflect.TypeAssert[defaulter](el); ok {
			el.Set(reflect.ValueOf(def.defaults()))
		}
		sub := fmt.Sprintf("[%d]", i)
		if e.Kind == yaml.ScalarNode && e.ShortTag() == "!!null" {
			d.bad(e, path+sub, "nothing is there")
			continue
		}
		d.into(e, el, path+sub, at+sub, lines)
		if el.Kind() != reflect.Pointer || !el.IsNil() { // an alias of nothing
			out = reflect.Append(out, el)
		}
	}
	v.Set(out)
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, path, at string, lines map[string]int) {
	if n.Kind != yaml.MappingNode {
		d.bad(n, path, "a table is wanted")
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		el := reflect.New(v.Type().Elem()).Elem()
		if out.MapIndex(reflect.ValueOf(name)).IsValid() {
			d.bad(n.Content[i], join(path, name), "given twice")
		}
		d.into(n.Content[i+1], el, join(path, name), join(at, name), lines)
		out.SetMapIndex(reflect.ValueOf(name), el)
	}
	v.Set(out)
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	tag := n.ShortTag()
	form := n.Tag == formTag
	if n.Kind != yaml.ScalarNode {
		if v.Type() == reflect.TypeFor[Ref]() && n.Kind == yaml.MappingNode {
			d.ref(n, v, path)
			return
		}
		d.bad(n, path, "a single value is wanted")
		return
	}
	switch v.Kind() {
	case reflect.String:
		if tag != "!!str" && !form {
			d.bad(n, path, "a text is wanted: quote it")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil || tag != "!!bool" && !form {
			d.bad(n, path, "true or false is wanted")
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		i, ok := integer(n.Value)
		if !ok || tag != "!!int" && tag != "!!float" && !form {
			d.bad(n, path, "a whole number is wanted")
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || tag != "!!int" && tag != "!!float" && !form {
			d.bad(n, path, "a number is wanted")
			return
		}
		v.SetFloat(f)
	default:
		d.bad(n, path, "not known here")
	}
}

// integer reads 5, and 5.0 as Kong's numbers may come.
func integer(s string) (int64, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// ref reads {id: …}, {name: …} (a consumer's is username) or a whole entity, of
// which the id counts.
func (d *decoder) ref(n *yaml.Node, v reflect.Value, path string) {
	for _, name := range []string{"id", "name", "username"} {
		if value := field(n, name); value != nil && value.Kind == yaml.ScalarNode && value.ShortTag() != "!!null" {
			v.SetString(value.Value)
			return
		}
	}
	d.bad(n, path, "a name, or {id: …}, is wanted")
}
