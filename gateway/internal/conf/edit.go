package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Errors of an edit.
var (
	ErrNotFound = errors.New("conf: there is no such entity")
	ErrInUse    = errors.New("conf: other entities refer to it")
)

// cutTag takes a field's tag apart.
func cutTag(f reflect.StructField) (name, option string, ok bool) {
	return strings.Cut(f.Tag.Get("k"), ",")
}

// JSON returns an entity as Kong's Admin API shows it: every field, null where
// it is not set.
func JSON(e Entity) map[string]any {
	out := map[string]any{}
	for name, v := range fieldsOf(reflect.ValueOf(e).Elem()) {
		if name == "url" {
			continue
		}
		out[name] = plain(v)
	}
	return out
}

func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for name, f := range fieldsOf(v) {
			out[name] = plain(f)
		}
		return out
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
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

// FormNode turns a form into the node of an entity: config.second=5 sets a
// field of a field, paths=/a&paths=/b, paths[]=/a and paths[1]=/a make lists.
func FormNode(form url.Values) (*yaml.Node, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for name, values := range form {
		at := root
		parts := strings.Split(name, ".")
		for _, p := range parts[:len(parts)-1] {
			next := field(at, p)
			if next == nil {
				next = &yaml.Node{Kind: yaml.MappingNode}
				at.Content = append(at.Content, text(p), next)
			}
			if next.Kind != yaml.MappingNode {
				return nil, Mistakes{{Path: name, Reason: "it is a value and a table at once"}}
			}
			at = next
		}
		last, index, isList := strings.Cut(parts[len(parts)-1], "[")
		if isList && !strings.HasSuffix(index, "]") {
			return nil, Mistakes{{Path: name, Reason: "a bracket is not closed"}}
		}
		list := field(at, last)
		switch {
		case !isList && len(values) == 1 && list == nil:
			at.Content = append(at.Content, text(last), formValue(values[0]))
			continue
		case list == nil:
			list = &yaml.Node{Kind: yaml.SequenceNode}
			at.Content = append(at.Content, text(last), list)
		case list.Kind != yaml.SequenceNode:
			return nil, Mistakes{{Path: name, Reason: "given twice"}}
		}
		n, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
		for _, v := range values {
			el := formValue(v)
			el.Column = n // its place; forms come in no order
			list.Content = append(list.Content, el)
		}
		slices.SortStableFunc(list.Content, func(a, b *yaml.Node) int { return a.Column - b.Column })
	}
	return root, nil
}

func field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func formValue(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: formTag, Value: s}
}

// JSONNode turns JSON into a node.
func JSONNode(text []byte) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, Mistakes{{Reason: "not JSON"}}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Mistakes{{Reason: "something follows the JSON"}}
	}
	return jsonNode(v), nil
}

func jsonNode(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for name, el := range v {
			n.Content = append(n.Content, text(name), jsonNode(el))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, el := range v {
			n.Content = append(n.Content, jsonNode(el))
		}
		return n
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: v.String()}
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// A Change is one edit of one entity.
type Change struct {
	Kind    Kind
	Entity  string            // id or name of what is changed; "" makes a new one
	Replace bool              // start from the defaults (PUT), also where there is none yet
	Within  map[string]string // references that are given: field to id
	Body    *yaml.Node
	ID      string // for a new entity
	Now     int64
}

// Apply returns f with the change, and the changed entity; f stays as it is.
// The error is Mistakes or ErrNotFound.
func (f *File) Apply(c Change) (*File, Entity, error) {
	out := f.Clone()
	all := c.Kind.list(out)
	var e Entity
	if c.Entity != "" {
		e = c.Kind.Find(out, c.Entity)
		if e == nil && !c.Replace {
			return nil, nil, ErrNotFound
		}
	}
	isNew := e == nil
	if isNew || c.Replace {
		old := e
		e = c.Kind.fresh()
		if old != nil {
			e.setID(old.id())
			e.basis().CreatedAt = old.basis().CreatedAt
			all[slices.Index(all, old)] = e
		} else {
			all = append(all, e)
		}
	}
	before := e.id()
	d := decoder{known: f.known}
	d.into(c.Body, reflect.ValueOf(e).Elem(), "", "", nil)
	if before != "" && e.id() != before {
		d.mistakes = append(d.mistakes, Mistake{Path: "id", Reason: "an id does not change"})
	}
	b := e.basis()
	b.UpdatedAt = c.Now
	if isNew {
		b.CreatedAt = c.Now
		if e.id() == "" {
			e.setID(c.ID)
		}
		nameFromPath(e, c.Entity)
	}
	for _, r := range e.refs() {
		if id, ok := c.Within[r.field]; ok {
			*r.ref = Ref(id)
		}
	}
	c.Kind.set(out, all)
	ms := append(d.mistakes, out.resolve()...)
	ms = append(ms, out.check()...)
	if err := ms.Err(); err != nil {
		return nil, nil, err
	}
	return out, e, nil
}

// nameFromPath names an entity that PUT makes as its address says.
func nameFromPath(e Entity, named string) {
	if named == "" || e.natural() != "" || named == e.id() {
		return
	}
	if looksLikeID(named) {
		e.setID(named)
		return
	}
	switch e := e.(type) {
	case *Service:
		e.Name = named
	case *Route:
		e.Name = named
	case *Consumer:
		e.Username = named
	case *Upstream:
		e.Name = named
	case *SNI:
		e.Name = named
	case *Plugin:
		e.InstanceName = named
	}
}

func looksLikeID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

// Delete returns f without the entity and what belongs to it. The error is
// ErrNotFound, or ErrInUse with what refers to it.
func (f *File) Delete(k Kind, idOrName string) (*File, error) {
	out := f.Clone()
	e := k.Find(out, idOrName)
	if e == nil {
		return nil, ErrNotFound
	}
	gone := map[Ref]bool{Ref(e.id()): true}
	for _, other := range Kinds() { // what refers to others comes after them
		var keep []Entity
		for _, o := range other.list(out) {
			drop := other.Name == k.Name && o.id() == e.id()
			for _, r := range o.refs() {
				switch {
				case !gone[*r.ref]:
				case r.owns:
					drop = true
				default:
					return nil, fmt.Errorf("%w: %s %s", ErrInUse, other.Name, o.id())
				}
			}
			if drop {
				gone[Ref(o.id())] = true
				continue
			}
			keep = append(keep, o)
		}
		other.set(out, keep)
	}
	return out, nil
}

// Given reports whether a document sets a field.
func Given(n *yaml.Node, name string) bool { return field(n, name) != nil }
