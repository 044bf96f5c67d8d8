package conf

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes f as a document, without what is a default. Parse reads the same
// File from it.
func (f *File) YAML() ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(f.Node()); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

// Node is YAML before it is text.
func (f *File) Node() *yaml.Node {
	doc := f.clone().document()
	return f.known.encode(reflect.ValueOf(doc), reflect.ValueOf(document{}))
}

// document puts entities back into those that they belong to. The entities of
// f are changed by it.
func (f *File) document() document {
	doc := document{Version: "3.0"}
	services, routes, consumers := map[Ref]*serviceDoc{}, map[Ref]*routeDoc{}, map[Ref]*consumerDoc{}
	upstreams, certs := map[Ref]*upstreamDoc{}, map[Ref]*certDoc{}
	for _, s := range f.Services {
		d := &serviceDoc{Service: *s}
		services[Ref(s.ID)], doc.Services = d, append(doc.Services, d)
	}
	for _, r := range f.Routes {
		d, s := &routeDoc{Route: *r}, services[r.Service]
		routes[Ref(r.ID)] = d
		if s == nil { // it has no service
			doc.Routes = append(doc.Routes, d)
			continue
		}
		d.Service, s.Routes = "", append(s.Routes, d)
	}
	for _, u := range f.Upstreams {
		d := &upstreamDoc{Upstream: *u}
		upstreams[Ref(u.ID)], doc.Upstreams = d, append(doc.Upstreams, d)
	}
	for _, t := range f.Targets {
		forget(t, "targets")
		d := upstreams[t.Upstream]
		t.Upstream, d.Targets = "", append(d.Targets, t)
	}
	plans := map[Ref]Ref{}
	for _, p := range f.Plans {
		plans[Ref(p.ID)] = Ref(p.Name)
		forget(p, "plans")
	}
	doc.Plans = f.Plans
	for _, c := range f.Consumers {
		d := &consumerDoc{Consumer: *c}
		d.Plan = plans[c.Plan]
		consumers[Ref(c.ID)], doc.Consumers = d, append(doc.Consumers, d)
	}
	for _, k := range f.KeyAuths {
		d := consumers[k.Consumer]
		k.Consumer, d.KeyAuths = "", append(d.KeyAuths, k)
	}
	for _, j := range f.JWTSecrets {
		d := consumers[j.Consumer]
		j.Consumer, d.JWTSecrets = "", append(d.JWTSecrets, j)
	}
	for _, a := range f.ACLs {
		forget(a, "acls")
		d := consumers[a.Consumer]
		a.Consumer, d.ACLs = "", append(d.ACLs, a)
	}
	for _, b := range f.BasicAuths {
		forget(b, "basicauth_credentials")
		d := consumers[b.Consumer]
		b.Consumer, d.BasicAuths = "", append(d.BasicAuths, b)
	}
	for _, c := range f.Certificates {
		d := &certDoc{Certificate: *c}
		certs[Ref(c.ID)], doc.Certificates = d, append(doc.Certificates, d)
	}
	for _, s := range f.SNIs {
		forget(s, "snis")
		d := certs[s.Certificate]
		s.Certificate, d.SNIs = "", append(d.SNIs, s)
	}
	doc.CACertificates = f.CACertificates
	groups := map[Ref]*consumerGroupDoc{}
	for _, g := range f.ConsumerGroups {
		d := &consumerGroupDoc{ConsumerGroup: *g}
		groups[Ref(g.ID)], doc.ConsumerGroups = d, append(doc.ConsumerGroups, d)
	}
	for _, m := range f.Memberships {
		forget(m, "consumer_group_consumers")
	}
	doc.Memberships = f.Memberships
	for _, p := range f.Plugins {
		forget(p, "plugins")
		switch {
		case p.Group != "" && p.Service == "" && p.Route == "":
			d := groups[p.Group]
			p.Group, d.Plugins = "", append(d.Plugins, p)
		case p.Group != "":
			doc.Plugins = append(doc.Plugins, p)
		case p.Service != "" && p.Route == "" && p.Consumer == "":
			d := services[p.Service]
			p.Service, d.Plugins = "", append(d.Plugins, p)
		case p.Route != "" && p.Service == "" && p.Consumer == "":
			d := routes[p.Route]
			p.Route, d.Plugins = "", append(d.Plugins, p)
		case p.Consumer != "" && p.Service == "" && p.Route == "":
			d := consumers[p.Consumer]
			p.Consumer, d.Plugins = "", append(d.Plugins, p)
		default:
			doc.Plugins = append(doc.Plugins, p)
		}
	}
	for _, r := range doc.Routes {
		forget(&r.Route, "routes")
	}
	for _, s := range doc.Services {
		forget(&s.Service, "services")
		for _, r := range s.Routes {
			forget(&r.Route, "routes")
		}
	}
	for _, u := range doc.Upstreams {
		forget(&u.Upstream, "upstreams")
	}
	for _, g := range doc.ConsumerGroups {
		forget(&g.ConsumerGroup, "consumer_groups")
	}
	for _, c := range doc.Consumers {
		forget(&c.Consumer, "consumers")
	}
	return doc
}

// forget clears an id that Parse will find by itself: one made of what the
// entity says, not of where it stands.
func forget(e Entity, kind string) {
	if e.id() == derivedID(e, kind, placeOf(e, -1, nil)) {
		e.setID("")
	}
}

// Same reports whether two Files say the same, in whatever order.
func Same(a, b *File) bool {
	for _, k := range Kinds() {
		if !maps.Equal(byID(k.All(a)), byID(k.All(b))) {
			return false
		}
	}
	return true
}

func byID(all iter.Seq[Entity]) map[string]string {
	m := map[string]string{}
	for e := range all {
		text, _ := json.Marshal(JSON(e)) // maps, lists and scalars only
		m[e.id()] = string(text)
	}
	return m
}

// clone copies f and its entities, so that their own fields can be changed.
func (f *File) clone() *File {
	out := f.known.Empty()
	for _, k := range Kinds() {
		k.copy(out, f)
	}
	return out
}

// encode writes v as a node. Fields of a struct that are as in def are left
// out; def may be invalid.
func (ps Plugins) encode(v, def reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
		}
		if def.IsValid() && !def.IsNil() {
			return ps.encode(v.Elem(), def.Elem())
		}
		return ps.encode(v.Elem(), reflect.Value{})
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		ps.encodeFields(n, v, def)
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, ps.encode(v.Index(i), ps.defaultsFor(v.Index(i))))
		}
		return n
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
		for _, k := range keys {
			n.Content = append(n.Content, text(k.String()), ps.encode(v.MapIndex(k), reflect.Value{}))
		}
		return n
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int, reflect.Int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	case reflect.Float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(v.Float(), 'f', -1, 64)}
	default:
		return text(v.String())
	}
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// defaultsFor returns what an element of a list is read into.
func (ps Plugins) defaultsFor(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return reflect.Value{}
	}
	if p, ok := reflect.TypeAssert[*Plugin](v); ok {
		d := NewPlugin()
		d.Config = ps.config(p.Name)
		return reflect.ValueOf(d)
	}
	if d, ok := reflect.TypeAssert[defaulter](v); ok {
		return reflect.ValueOf(d.defaults())
	}
	return reflect.New(v.Type().Elem())
}

func (ps Plugins) encodeFields(n *yaml.Node, v, def reflect.Value) {
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("k"), ",")
		var d reflect.Value
		if def.IsValid() {
			d = def.Field(i)
		}
		switch {
		case name == "-" || name == "" && option != optInline, option == optShown:
		case option == optInline:
			ps.encodeFields(n, v.Field(i), d)
		case d.IsValid() && reflect.DeepEqual(v.Field(i).Interface(), d.Interface()):
		case !d.IsValid() && v.Field(i).IsZero():
		case v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() == 0 && (!d.IsValid() || d.Len() == 0):
		default:
			n.Content = append(n.Content, text(name), ps.encode(v.Field(i), d))
		}
	}
}
