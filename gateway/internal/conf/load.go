package conf

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // names ids (RFC 9562 section 5.5), protects nothing
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// The document: entities inside those that they belong to.
type (
	document struct {
		Version        string              `k:"_format_version"`
		Transform      bool                `k:"_transform"` // false where hashes stand for passwords
		Info           info                `k:"_info"`
		Services       []*serviceDoc       `k:"services"`
		Routes         []*routeDoc         `k:"routes"`
		Plans          []*Plan             `k:"plans"`
		Upstreams      []*upstreamDoc      `k:"upstreams"`
		Targets        []*Target           `k:"targets"`
		Consumers      []*consumerDoc      `k:"consumers"`
		ConsumerGroups []*consumerGroupDoc `k:"consumer_groups"`
		Memberships    []*Membership       `k:"consumer_group_consumers"`
		KeyAuths       []*KeyAuth          `k:"keyauth_credentials"`
		JWTSecrets     []*JWTSecret        `k:"jwt_secrets"`
		ACLs           []*ACL              `k:"acls"`
		BasicAuths     []*BasicAuth        `k:"basicauth_credentials"`
		Certificates   []*certDoc          `k:"certificates"`
		SNIs           []*SNI              `k:"snis"`
		CACertificates []*CACertificate    `k:"ca_certificates"`
		Plugins        []*Plugin           `k:"plugins"`
	}
	info struct {
		SelectTags []string `k:"select_tags"` // all entities of the document have them
	}
	serviceDoc struct {
		Service `k:",inline"`
		Routes  []*routeDoc `k:"routes"`
		Plugins []*Plugin   `k:"plugins"`
	}
	routeDoc struct {
		Route   `k:",inline"`
		Plugins []*Plugin `k:"plugins"`
	}
	upstreamDoc struct {
		Upstream `k:",inline"`
		Targets  []*Target `k:"targets"`
	}
	consumerDoc struct {
		Consumer   `k:",inline"`
		KeyAuths   []*KeyAuth   `k:"keyauth_credentials"`
		JWTSecrets []*JWTSecret `k:"jwt_secrets"`
		ACLs       []*ACL       `k:"acls"`
		BasicAuths []*BasicAuth `k:"basicauth_credentials"`
		Groups     []Ref        `k:"groups"`
		Plugins    []*Plugin    `k:"plugins"`
	}
	certDoc struct {
		Certificate `k:",inline"`
		SNIs        []*SNI `k:"snis"`
	}
)

func (*serviceDoc) defaults() any  { return &serviceDoc{Service: *NewService()} }
func (*routeDoc) defaults() any    { return &routeDoc{Route: *NewRoute()} }
func (*upstreamDoc) defaults() any { return &upstreamDoc{Upstream: *NewUpstream()} }
func (*Target) defaults() any      { return NewTarget() }
func (*JWTSecret) defaults() any   { return NewJWTSecret() }
func (*Plugin) defaults() any      { return NewPlugin() }

// Parse reads a document, YAML or JSON. The error is Mistakes, all of them. With
// them may come a File: for a look at what only its use shows, not for use.
func (ps Plugins) Parse(text []byte) (*File, error) {
	var root, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		if n, bad := JSONNode(text); bad == nil { // whose surrogates in escapes are not YAML (RFC 8259 section 7)
			return ps.parseNode(n)
		}
		return nil, Mistakes{{Reason: err.Error()}}
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, Mistakes{{Line: more.Line, Reason: "something follows the document"}}
	}
	if len(root.Content) == 0 {
		return nil, Mistakes{{Line: 1, Path: "_format_version", Reason: "missing: the document is empty"}}
	}
	return ps.parseNode(root.Content[0])
}

func (ps Plugins) parseNode(n *yaml.Node) (*File, error) {
	doc := document{Transform: true}
	d := decoder{known: ps}
	if n.Kind == yaml.MappingNode {
		if v := field(n, "_format_version"); v != nil {
			v.Tag = "!!str" // 3.0 is a number to YAML
			d.old = isOld(v.Value)
		}
		d.shared = field(n, "_plugin_configs")
	}
	d.into(n, reflect.ValueOf(&doc).Elem(), "", "", nil)
	switch {
	case doc.Version == "" && d.mistakes.Err() == nil:
		d.bad(n, "_format_version", `missing: write "3.0"`)
	case d.old:
		doc.newPaths()
	case doc.Version != "3.0" && doc.Version != "":
		d.bad(n, "_format_version", `"1.1", "2.1" and "3.0" are known: %q`, doc.Version)
	}
	f := ps.Empty()
	f.flatten(&doc, &d)
	if !doc.Transform && slices.ContainsFunc(f.BasicAuths, func(b *BasicAuth) bool { return !b.Hashed() }) {
		d.bad(field(n, "_transform"), "_transform", "false says that the passwords are Kong's hashes, which are not read here: write the passwords, and leave it out")
	}
	f.tag(doc.Info.SelectTags)
	found := slices.DeleteFunc(f.settleAll(), func(m Mistake) bool { return d.unread[m.Path] })
	mistakes := append(d.mistakes, found...)
	f.Notes = mistakes.sorted(true)
	return f, mistakes.Err()
}

// tag gives every entity the tags, as decK does.
func (f *File) tag(tags []string) {
	if len(tags) == 0 {
		return
	}
	for _, k := range Kinds() {
		for e := range k.All(f) {
			b := e.basis()
			for _, t := range tags {
				if !slices.Contains(b.Tags, t) {
					b.Tags = append(b.Tags, t)
				}
			}
		}
	}
}

// flatten takes the entities out of those that they were written in. The
// parents' ids are set for it.
func (f *File) flatten(doc *document, d *decoder) {
	parent := func(child Entity, field string, to string) {
		for _, r := range child.refs() {
			if r.field != field {
				continue
			}
			if *r.ref != "" {
				d.mistakes = append(d.mistakes, child.at().mistake(field, "it belongs to that inside which it is written"))
			}
			*r.ref = Ref(to)
		}
	}
	plugins := func(list []*Plugin, field, to string) {
		for _, p := range list {
			parent(p, field, to)
			f.Plugins = append(f.Plugins, p)
		}
	}
	routes := func(list []*routeDoc, service string) {
		for i, r := range list {
			if service != "" {
				parent(&r.Route, "service", service)
			}
			plugins(r.Plugins, "route", ensureID(&r.Route, "routes", fmt.Sprintf("%s/%d", service, i)))
			f.Routes = append(f.Routes, &r.Route)
		}
	}
	for i, s := range doc.Services {
		id := ensureID(&s.Service, "services", fmt.Sprint(i))
		f.Services = append(f.Services, &s.Service)
		routes(s.Routes, id)
		plugins(s.Plugins, "service", id)
	}
	routes(doc.Routes, "")
	f.Plans = doc.Plans
	for i, u := range doc.Upstreams {
		id := ensureID(&u.Upstream, "upstreams", fmt.Sprint(i))
		f.Upstreams = append(f.Upstreams, &u.Upstream)
		for _, t := range u.Targets {
			parent(t, "upstream", id)
		}
		f.Targets = append(f.Targets, u.Targets...)
	}
	f.Targets = append(f.Targets, doc.Targets...)
	for i, c := range doc.Consumers {
		id := ensureID(&c.Consumer, "consumers", fmt.Sprint(i))
		f.Consumers = append(f.Consumers, &c.Consumer)
		for _, k := range c.KeyAuths {
			parent(k, "consumer", id)
		}
		for _, j := range c.JWTSecrets {
			parent(j, "consumer", id)
		}
		for _, a := range c.ACLs {
			parent(a, "consumer", id)
		}
		for _, b := range c.BasicAuths {
			parent(b, "consumer", id)
		}
		f.BasicAuths = append(f.BasicAuths, c.BasicAuths...)
		f.KeyAuths = append(f.KeyAuths, c.KeyAuths...)
		f.JWTSecrets = append(f.JWTSecrets, c.JWTSecrets...)
		f.ACLs = append(f.ACLs, c.ACLs...)
		plugins(c.Plugins, "consumer", id)
		f.join(&c.Consumer, "groups", Ref(id), "", c.Groups)
	}
	for i, g := range doc.ConsumerGroups {
		id := ensureID(&g.ConsumerGroup, "consumer_groups", fmt.Sprint(i))
		f.ConsumerGroups = append(f.ConsumerGroups, &g.ConsumerGroup)
		plugins(g.Plugins, "consumer_group", id)
		f.join(&g.ConsumerGroup, "consumers", "", Ref(id), g.Consumers)
	}
	f.Memberships = append(f.Memberships, doc.Memberships...)
	f.KeyAuths = append(f.KeyAuths, doc.KeyAuths...)
	f.JWTSecrets = append(f.JWTSecrets, doc.JWTSecrets...)
	f.ACLs = append(f.ACLs, doc.ACLs...)
	f.BasicAuths = append(f.BasicAuths, doc.BasicAuths...)
	for i, c := range doc.Certificates {
		id := ensureID(&c.Certificate, "certificates", fmt.Sprint(i))
		f.Certificates = append(f.Certificates, &c.Certificate)
		for _, s := range c.SNIs {
			parent(s, "certificate", id)
		}
		f.SNIs = append(f.SNIs, c.SNIs...)
	}
	f.SNIs = append(f.SNIs, doc.SNIs...)
	f.CACertificates = doc.CACertificates
	for i, c := range f.CACertificates {
		ensureID(c, "ca_certificates", fmt.Sprint(i))
	}
	f.Plugins = append(f.Plugins, doc.Plugins...)
}

// ensureID gives e an id, if it has none: always the same for the same name, so
// that a reload keeps what belongs to it.
func ensureID(e Entity, kind, place string) string {
	if e.id() == "" {
		e.setID(derivedID(e, kind, place))
	}
	return e.id()
}

func derivedID(e Entity, kind, place string) string {
	if name := e.natural(); name != "" && !secret(e) {
		return uuid(kind + "\x00name\x00" + name)
	}
	return uuid(kind + "\x00place\x00" + place)
}

// guessable is the length below which a key certainly has not the 128 bits that
// keep anybody from trying keys until one has a given id: those take 22 letters
// of base64, and 32 of hex.
const guessable = 22

// credentialPlace tells credentials apart. An id must go with its key: limits
// and logs go by it. So it is made of the key's HMAC, which does not reveal a key
// of 128 bits; the label is no secret, so that all instances agree. A shorter
// key could be guessed from that, so it gets its place among the short ones of
// its consumer, which are counted.
func credentialPlace(consumer Ref, key string, short map[Ref]int) string {
	if len(key) < guessable {
		short[consumer]++
		return fmt.Sprintf("%s/%d", consumer, short[consumer])
	}
	mac := hmac.New(sha256.New, []byte("rampart gateway: ids of credentials"))
	mac.Write([]byte(string(consumer) + "\x00" + key))
	return fmt.Sprintf("%s/%x", consumer, mac.Sum(nil))
}

// secret reports whether the natural name of e is one. Its id must then not be
// made of it: ids are logged.
func secret(e Entity) bool {
	switch e.(type) {
	case *KeyAuth, *JWTSecret:
		return true
	}
	return false
}

// placeOf tells entities without a name apart: by what they say, or their place i.
// Credentials with short keys are counted in short.
func placeOf(e Entity, i int, short map[Ref]int) string {
	switch e := e.(type) {
	case *KeyAuth:
		return credentialPlace(e.Consumer, e.Key, short)
	case *JWTSecret:
		return credentialPlace(e.Consumer, e.Key, short)
	case *Plugin:
		return fmt.Sprintf("%s/%s/%s/%s", e.Name, e.Service, e.Route, e.Consumer+e.Group)
	case *Membership:
		return fmt.Sprintf("%s/%s", e.Group, e.Consumer)
	case *Target:
		return fmt.Sprintf("%s/%s", e.Upstream, e.Target)
	case *ACL:
		return fmt.Sprintf("%s/%s", e.Consumer, e.Group)
	}
	return fmt.Sprint(i)
}

// uuid makes an id out of a text (RFC 9562 section 5.5, in a namespace of ours).
func uuid(text string) string {
	sum := sha1.Sum([]byte("rampart gateway\x00" + text)) //nolint:gosec // see the import
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// taken marks a mistake that is one only beside another entity.
func taken(m Mistake) Mistake {
	m.Taken = true
	return m
}

func unique(seen map[string]bool, s string) bool {
	had := seen[s]
	seen[s] = true
	return !had
}
