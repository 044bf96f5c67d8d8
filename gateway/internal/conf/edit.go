package conf

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrNotFound says that an edit names an entity that is not there.
var ErrNotFound = errors.New("conf: there is no such entity")

// An InUseError says that an entity cannot go, since others refer to it.
type InUseError struct {
	Kind  string // of the entity
	By    string // the kind of the others
	ID    string // of one of those
	Field string // by which it refers to the entity
}

// Error implements error.
func (e *InUseError) Error() string {
	return fmt.Sprintf("an existing '%s' entity references this '%s' entity: %s, by %s", e.By, e.Kind, e.ID, e.Field)
}

// A Change is one edit of one entity.
type Change struct {
	Kind    Kind
	Entity  string // how an address names what is changed; "" makes a new one
	Replace bool   // start from the defaults (PUT), also where there is none yet

	// Field is the reference by which the entity belongs to what it stands below in
	// an address, and Parent the id of that; "": it stands alone.
	Field, Parent string

	Body *yaml.Node
	Now  int64 // Unix time
}

// Apply returns f with the change, and the changed entity; f stays as it is.
// The error is Mistakes or ErrNotFound.
func (f *File) Apply(c Change) (*File, Entity, error) {
	old, err := c.find(f)
	if err != nil {
		return nil, nil, err
	}
	names, body := c.takeNames()
	e, d := c.Kind.fresh(), decoder{known: f.known}
	if old != nil && !c.Replace {
		e, body = d.overlay(c.Kind, old, body)
	}
	d.into(body, reflect.ValueOf(e).Elem(), "", "", nil)
	c.complete(f, e, old, &d)

	out := f.share()
	ms := append(d.mistakes, out.resolve(e)...)
	ms = append(ms, out.checkOne(e)...)
	x := out.own(c.Kind)
	if old != nil {
		x.remove(old)
	}
	ms = append(ms, x.add(c.Kind, e)...)
	c.Kind.put(out, old, e)
	if cert, ok := e.(*Certificate); ok && names != nil {
		ms = append(ms, out.setNames(cert, names, c.Now)...)
	}
	if err := append(ms, out.broken(old, e)...).Err(); err != nil {
		return nil, nil, err
	}
	return out, e, nil
}

// find returns what c changes; nil, if that is to be made.
func (c *Change) find(f *File) (Entity, error) {
	if c.Entity == "" {
		return nil, nil
	}
	var old Entity
	if c.Parent == "" {
		old = c.Kind.Find(f, c.Entity)
	} else {
		old = c.Kind.FindBelow(f, c.Field, c.Parent, c.Entity)
	}
	switch {
	case old != nil:
		return old, nil
	case !c.Replace, c.Kind.Find(f, c.Entity) != nil: // it belongs to another one
		return nil, ErrNotFound
	case !LooksLikeID(c.Entity) && c.Kind.Name != "certificates" && (c.Kind.Key == "" || c.Kind.Within != c.Field && c.Kind.Within != ""):
		return nil, ErrNotFound // it could not be found by that
	}
	return nil, nil
}

// complete gives e what c says apart from its body, and what is made where
// nothing is said.
func (c *Change) complete(f *File, e, old Entity, d *decoder) {
	b := e.basis()
	b.UpdatedAt = c.Now
	if old != nil {
		b.CreatedAt = old.basis().CreatedAt
	} else if b.CreatedAt == 0 {
		b.CreatedAt = c.Now
	}
	if old != nil && c.Replace { // Kong's clients, which do not know these, replace what they change
		was := reflect.ValueOf(old).Elem()
		eachField(reflect.ValueOf(e).Elem(), func(name, option string, v reflect.Value) {
			if option == optOwn && !Given(c.Body, name) {
				v.Set(fieldNamed(was, name))
			}
		})
	}
	id := ""
	switch {
	case old != nil:
		id = old.id()
	case LooksLikeID(c.Entity):
		id = strings.ToLower(c.Entity)
	}
	switch {
	case id != "" && e.id() != "" && !strings.EqualFold(e.id(), id):
		d.mistakes = append(d.mistakes, Mistake{Path: "id", Reason: "an id does not change"})
	case id != "":
		e.setID(id)
	case e.id() == "":
		e.setID(newID())
	}
	if c.Replace && c.Entity != "" && !LooksLikeID(c.Entity) && c.Kind.Key != "" {
		key := fieldNamed(reflect.ValueOf(e).Elem(), c.Kind.Key)
		if key.String() == "" {
			key.SetString(c.Entity)
		} else if c.Kind.full(key.String()) != c.Kind.full(c.Entity) {
			d.mistakes = append(d.mistakes, Mistake{Path: c.Kind.Key, Reason: "the address has another one"})
		}
	}
	for _, r := range e.refs() {
		if c.Parent == "" || r.field != c.Field {
			continue
		}
		if given := f.named(r.kind, string(*r.ref)); *r.ref != "" && (given == nil || given.id() != c.Parent) {
			d.mistakes = append(d.mistakes, Mistake{Path: r.field, Reason: "it belongs to that below which it stands in the address"})
		}
		*r.ref = Ref(c.Parent)
	}
	if g, ok := e.(interface{ generate(old Entity) }); ok {
		g.generate(old)
	}
}

// generate makes a key where none is given, as Kong does. A replaced one stays.
func (k *KeyAuth) generate(old Entity) {
	if was, ok := old.(*KeyAuth); ok && k.Key == "" {
		k.Key = was.Key
	}
	if k.Key == "" {
		k.Key = random(24)
	}
}

// generate makes a key and a secret where none is given, as Kong does. Replaced
// ones stay.
func (j *JWTSecret) generate(old Entity) {
	if was, ok := old.(*JWTSecret); ok {
		if j.Key == "" {
			j.Key = was.Key
		}
		if j.Secret == "" {
			j.Secret = was.Secret
		}
	}
	if j.Key == "" {
		j.Key = random(24)
	}
	if j.Secret == "" && strings.HasPrefix(j.Algorithm, "HS") {
		j.Secret = random(48) // 64 letters: enough for HS512
	}
}

// random returns a text made of n random bytes.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// newID returns a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// overlay returns the defaults, and a document of what old says and body changes.
// A field that body has as null gets its default.
func (d *decoder) overlay(k Kind, old Entity, body *yaml.Node) (Entity, *yaml.Node) {
	e, def := k.fresh(), k.fresh()
	if p, ok := old.(*Plugin); ok {
		if name := child(body, "name"); name != "" && name != p.Name { // it would run as the old one, in the new one's place
			d.mistakes = append(d.mistakes, Mistake{Path: "name", Reason: "a plugin does not become another: remove it and make a new one"})
		}
		def.(*Plugin).Config = d.known.config(p.Name) //nolint:forcetypeassert // as old is
	}
	doc := d.known.encode(reflect.ValueOf(old).Elem(), reflect.ValueOf(def).Elem())
	return e, lay(doc, body, reflect.ValueOf(def).Elem())
}

// lay changes doc, which describes a struct like v, as body says. Structs are
// merged, all else is replaced.
func lay(doc, body *yaml.Node, v reflect.Value) *yaml.Node {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if doc.Kind != yaml.MappingNode || body.Kind != yaml.MappingNode || v.Kind() != reflect.Struct {
		return body
	}
	for i := 0; i+1 < len(body.Content); i += 2 {
		key, value := body.Content[i], body.Content[i+1]
		at := fieldAt(doc, key.Value)
		f := fieldNamed(v, key.Value)
		switch {
		case f.IsValid() && value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null":
			if at >= 0 {
				doc.Content = slices.Delete(doc.Content, at, at+2)
			}
		case at < 0 && f.IsValid():
			doc.Content = append(doc.Content, key, lay(&yaml.Node{Kind: yaml.MappingNode}, value, f))
		case at < 0:
			doc.Content = append(doc.Content, key, value)
		default:
			doc.Content[at+1] = lay(doc.Content[at+1], value, f)
		}
	}
	return doc
}

// share returns a File that shares everything with f.
func (f *File) share() *File {
	out := *f
	out.index = maps.Clone(f.index)
	return &out
}

// broken says what of others is wrong once e is in the place of old.
func (f *File) broken(old, e Entity) (ms Mistakes) {
	switch was := old.(type) {
	case *Consumer:
		if now, ok := e.(*Consumer); ok && was.Username != "" && was.Username != now.Username {
			if p := f.strangersOf(was.Username); p != nil {
				ms = append(ms, e.at().mistake("username", "the plugin %s has it as its anonymous consumer", p.ID))
			}
		}
	case *Certificate:
		for _, s := range f.snisOf(was.ID) {
			ms = append(ms, s.check(f)...)
		}
	}
	return ms
}

// strangersOf returns a plugin whose anonymous consumer has that id or name.
func (f *File) strangersOf(idOrName ...string) *Plugin {
	for _, p := range f.Plugins {
		if p.Config == nil {
			continue
		}
		who := fieldNamed(reflect.ValueOf(p.Config).Elem(), "anonymous")
		if who.IsValid() && who.String() != "" && slices.Contains(idOrName, who.String()) {
			return p
		}
	}
	return nil
}

// Delete returns f without the entity e of kind k and what belongs to it. The
// error is an InUseError.
func (f *File) Delete(k Kind, e Entity) (*File, error) {
	type row struct{ kind, id string }
	gone := map[row]bool{{k.Name, e.id()}: true}
	out := f.share()
	for _, other := range Kinds() { // what refers to others comes after them
		var dropped []Entity
		for o := range other.All(out) {
			drop := gone[row{other.Name, o.id()}]
			for _, r := range o.refs() {
				switch {
				case !gone[row{r.kind, string(*r.ref)}]:
				case r.owns:
					drop = true
				default:
					return nil, &InUseError{Kind: k.Name, By: other.Name, ID: o.id(), Field: r.field}
				}
			}
			if drop {
				gone[row{other.Name, o.id()}] = true
				dropped = append(dropped, o)
			}
		}
		if len(dropped) == 0 {
			continue
		}
		x := out.own(other)
		for _, o := range dropped {
			x.remove(o)
		}
		other.keep(out, func(o Entity) bool { return !gone[row{other.Name, o.id()}] })
	}
	if c, ok := e.(*Consumer); ok {
		if p := out.strangersOf(c.ID, c.Username); p != nil {
			return nil, &InUseError{Kind: k.Name, By: "plugins", ID: p.ID, Field: "config.anonymous"}
		}
	}
	return out, nil
}
