package conf

import (
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// takeNames takes the names of a certificate out of c's body: Kong's Admin API
// lists SNIs there, too. nil: it has none, and those that are there stay.
func (c *Change) takeNames() ([]nameOf, *yaml.Node) {
	body := c.Body
	if c.Kind.Name != "certificates" || body.Kind != yaml.MappingNode {
		return nil, body
	}
	var names []nameOf
	rest := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(body.Content); i += 2 {
		if body.Content[i].Value != "snis" {
			rest.Content = append(rest.Content, body.Content[i], body.Content[i+1])
			continue
		}
		names = append([]nameOf{}, nameOf{list: body.Content[i+1]})
	}
	if c.Replace && c.Entity != "" && !LooksLikeID(c.Entity) {
		names = append(names, nameOf{name: c.Entity})
	}
	return names, rest
}

// nameOf is a name for a certificate, or a list of them.
type nameOf struct {
	name string
	list *yaml.Node
}

// setNames makes SNIs of those names for cert, and removes its others if there is
// a list.
func (f *File) setNames(cert *Certificate, given []nameOf, now int64) (ms Mistakes) {
	kind, _ := KindNamed("snis")
	x := f.own(kind)
	var names []string
	for _, g := range given {
		if g.list == nil {
			names = append(names, g.name)
			continue
		}
		d := decoder{known: f.known}
		d.into(g.list, reflect.ValueOf(&names).Elem(), "snis", "", nil)
		ms = append(ms, d.mistakes...)
		for _, s := range f.snisOf(cert.ID) {
			if !slices.Contains(names, s.Name) && !slices.ContainsFunc(given, func(g nameOf) bool { return g.name == s.Name }) {
				x.remove(s)
				kind.keep(f, func(e Entity) bool { return e != Entity(s) })
			}
		}
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if s, ok := x[key("name", "", n)].(*SNI); ok && s.Certificate == Ref(cert.ID) {
			continue
		}
		s := &SNI{Name: n, Certificate: Ref(cert.ID)}
		s.ID, s.CreatedAt, s.UpdatedAt = newID(), now, now
		s.path = "snis"
		ms = append(ms, f.checkOne(s)...)
		ms = append(ms, x.add(kind, s)...)
		kind.put(f, nil, s)
	}
	return ms
}
