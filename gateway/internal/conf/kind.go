package conf

import (
	"cmp"
	"iter"
	"slices"
)

// An Entity is one row of a configuration.
type Entity interface {
	id() string
	setID(id string)
	at() *meta
	basis() *base
	natural() string      // its unique name; "" if it has none
	refs() []reference    // the entities that it belongs to
	uniques() []uniqueKey // what no other of its kind may have, besides the id
	check(f *File) Mistakes
}

// ID returns the id of e.
func ID(e Entity) string { return e.id() }

// A reference is a field that names another entity.
type reference struct {
	field string
	kind  string
	ref   *Ref
	must  bool // may not be empty
	owns  bool // the entity goes when the other one does
}

// A Kind is a kind of entity.
type Kind struct {
	Name  string // of its collection in a document, such as keyauth_credentials
	Path  string // of its collection in the Admin API, such as key-auths
	Below string // of its collection below what it belongs to, such as key-auth
	Key   string // the field that an address may have in place of the id; "": there is none

	// Within is the reference below which alone an address may have Key, which is
	// unique only there; "": Key is unique everywhere.
	Within string

	fresh func() Entity
	all   func(*File) iter.Seq[Entity]
	count func(*File) int
	put   func(f *File, old, e Entity) // e in place of old; nil: none
	keep  func(f *File, stays func(Entity) bool)
	copy  func(to, from *File) // each entity, but not what it points to
	same  func(a, b *File) bool
}

// All returns the entities of the kind, in their order.
func (k Kind) All(f *File) iter.Seq[Entity] { return k.all(f) }

// Count returns how many there are.
func (k Kind) Count(f *File) int { return k.count(f) }

// put and keep make a new list: that of another File may be the same.
func kindOf[T any, E interface {
	*T
	Entity
}](k Kind, fresh func() E, slot func(*File) *[]E) Kind {
	k.Path = cmp.Or(k.Path, k.Name)
	k.Below = cmp.Or(k.Below, k.Path)
	k.fresh = func() Entity { return fresh() }
	k.count = func(f *File) int { return len(*slot(f)) }
	k.all = func(f *File) iter.Seq[Entity] {
		return func(yield func(Entity) bool) {
			for _, e := range *slot(f) {
				if !yield(e) {
					return
				}
			}
		}
	}
	k.put = func(f *File, old, e Entity) {
		list := slices.Clone(*slot(f))
		one, _ := e.(E)
		if i := slices.IndexFunc(list, func(x E) bool { return Entity(x) == old }); i >= 0 {
			list[i] = one
		} else {
			list = append(list, one)
		}
		*slot(f) = list
	}
	k.copy = func(to, from *File) {
		list := slices.Clone(*slot(from))
		for i, x := range list {
			one := *x
			list[i] = &one
		}
		*slot(to) = list
	}
	k.same = func(a, b *File) bool { return slices.Equal(*slot(a), *slot(b)) }
	k.keep = func(f *File, stays func(Entity) bool) {
		*slot(f) = slices.DeleteFunc(slices.Clone(*slot(f)), func(x E) bool { return !stays(x) })
	}
	return k
}

// Refers returns the id that a reference of e has, "" if it has none.
func Refers(e Entity, field string) string {
	for _, r := range e.refs() {
		if r.field == field {
			return string(*r.ref)
		}
	}
	return ""
}

// Tags returns the tags of e.
func Tags(e Entity) []string { return e.basis().Tags }

// A Reference is a field that names an entity of another kind.
type Reference struct{ Field, Kind string }

// References returns those that every entity of the kind has.
func (k Kind) References() (all []Reference) {
	for _, r := range k.fresh().refs() {
		all = append(all, Reference{r.field, r.kind})
	}
	return all
}

// Kinds returns all kinds; what others refer to comes first.
func Kinds() []Kind {
	return []Kind{
		kindOf(Kind{Name: "ca_certificates"}, func() *CACertificate { return &CACertificate{} }, func(f *File) *[]*CACertificate { return &f.CACertificates }),
		kindOf(Kind{Name: "certificates"}, func() *Certificate { return &Certificate{} }, func(f *File) *[]*Certificate { return &f.Certificates }),
		kindOf(Kind{Name: "snis", Key: "name"}, func() *SNI { return &SNI{} }, func(f *File) *[]*SNI { return &f.SNIs }),
		kindOf(Kind{Name: "upstreams", Key: "name"}, NewUpstream, func(f *File) *[]*Upstream { return &f.Upstreams }),
		kindOf(Kind{Name: "targets", Key: "target", Within: "upstream"}, NewTarget, func(f *File) *[]*Target { return &f.Targets }),
		kindOf(Kind{Name: "services", Key: "name"}, NewService, func(f *File) *[]*Service { return &f.Services }),
		kindOf(Kind{Name: "routes", Key: "name"}, NewRoute, func(f *File) *[]*Route { return &f.Routes }),
		kindOf(Kind{Name: "plans", Key: "name"}, NewPlan, func(f *File) *[]*Plan { return &f.Plans }),
		kindOf(Kind{Name: "consumer_groups", Key: "name"}, func() *ConsumerGroup { return &ConsumerGroup{} }, func(f *File) *[]*ConsumerGroup { return &f.ConsumerGroups }),
		kindOf(Kind{Name: "consumers", Key: "username"}, func() *Consumer { return &Consumer{} }, func(f *File) *[]*Consumer { return &f.Consumers }),
		kindOf(Kind{Name: "keyauth_credentials", Path: "key-auths", Below: "key-auth", Key: "key"},
			func() *KeyAuth { return &KeyAuth{} }, func(f *File) *[]*KeyAuth { return &f.KeyAuths }),
		kindOf(Kind{Name: "jwt_secrets", Path: "jwts", Below: "jwt", Key: "key"}, NewJWTSecret, func(f *File) *[]*JWTSecret { return &f.JWTSecrets }),
		kindOf(Kind{Name: "basicauth_credentials", Path: "basic-auths", Below: "basic-auth", Key: "username"},
			func() *BasicAuth { return &BasicAuth{} }, func(f *File) *[]*BasicAuth { return &f.BasicAuths }),
		kindOf(Kind{Name: "acls", Key: "group", Within: "consumer"}, func() *ACL { return &ACL{} }, func(f *File) *[]*ACL { return &f.ACLs }),
		kindOf(Kind{Name: "consumer_group_consumers"}, func() *Membership { return &Membership{} }, func(f *File) *[]*Membership { return &f.Memberships }),
		kindOf(Kind{Name: "plugins", Key: "instance_name"}, NewPlugin, func(f *File) *[]*Plugin { return &f.Plugins }),
	}
}

// KindNamed returns the kind with the collection name; false if there is none.
func KindNamed(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

func (s *Service) natural() string       { return s.Name }
func (r *Route) natural() string         { return r.Name }
func (c *Consumer) natural() string      { return c.Username }
func (k *KeyAuth) natural() string       { return k.Key }
func (j *JWTSecret) natural() string     { return j.Key }
func (*ACL) natural() string             { return "" }
func (u *Upstream) natural() string      { return u.Name }
func (*Target) natural() string          { return "" }
func (*Certificate) natural() string     { return "" }
func (s *SNI) natural() string           { return s.Name }
func (*CACertificate) natural() string   { return "" }
func (p *Plugin) natural() string        { return p.InstanceName }
func (*Upstream) refs() []reference      { return nil }
func (*Certificate) refs() []reference   { return nil }
func (*CACertificate) refs() []reference { return nil }

func (s *Service) refs() (all []reference) {
	for i := range s.CACertificates {
		all = append(all, reference{field: "ca_certificates", kind: "ca_certificates", ref: &s.CACertificates[i]})
	}
	return all
}

func (r *Route) refs() []reference {
	return []reference{{field: "service", kind: "services", ref: &r.Service}} // none: its plugins answer
}

func (c *Consumer) refs() []reference {
	return []reference{{field: "plan", kind: "plans", ref: &c.Plan}}
}

func (k *KeyAuth) refs() []reference {
	return []reference{{field: "consumer", kind: "consumers", ref: &k.Consumer, must: true, owns: true}}
}

func (j *JWTSecret) refs() []reference {
	return []reference{{field: "consumer", kind: "consumers", ref: &j.Consumer, must: true, owns: true}}
}

func (a *ACL) refs() []reference {
	return []reference{{field: "consumer", kind: "consumers", ref: &a.Consumer, must: true, owns: true}}
}

func (t *Target) refs() []reference {
	return []reference{{field: "upstream", kind: "upstreams", ref: &t.Upstream, must: true, owns: true}}
}

func (s *SNI) refs() []reference {
	return []reference{{field: "certificate", kind: "certificates", ref: &s.Certificate, must: true, owns: true}}
}

func (p *Plugin) refs() []reference {
	return []reference{
		{field: "service", kind: "services", ref: &p.Service, owns: true},
		{field: "route", kind: "routes", ref: &p.Route, owns: true},
		{field: "consumer", kind: "consumers", ref: &p.Consumer, owns: true},
		{field: "consumer_group", kind: "consumer_groups", ref: &p.Group, owns: true},
	}
}

// A uniqueKey is a field whose value no other entity of the kind may have.
type uniqueKey struct{ field, value string }

// key is the field below the entity named scope; scope is "" if the field is
// unique everywhere.
func key(field string, scope Ref, value string) uniqueKey {
	return uniqueKey{field, string(scope) + "\x00" + value}
}

func (s *Service) uniques() []uniqueKey  { return []uniqueKey{key("name", "", s.Name)} }
func (r *Route) uniques() []uniqueKey    { return []uniqueKey{key("name", "", r.Name)} }
func (u *Upstream) uniques() []uniqueKey { return []uniqueKey{key("name", "", u.Name)} }
func (s *SNI) uniques() []uniqueKey      { return []uniqueKey{key("name", "", s.Name)} }
func (k *KeyAuth) uniques() []uniqueKey  { return []uniqueKey{key("key", "", k.Key)} }
func (j *JWTSecret) uniques() []uniqueKey {
	return []uniqueKey{key("key", "", j.Key)}
}
func (a *ACL) uniques() []uniqueKey       { return []uniqueKey{key("group", a.Consumer, a.Group)} }
func (t *Target) uniques() []uniqueKey    { return []uniqueKey{key("target", t.Upstream, t.Target)} }
func (*Certificate) uniques() []uniqueKey { return nil }
func (ca *CACertificate) uniques() []uniqueKey {
	return []uniqueKey{key("cert_digest", "", ca.CertDigest)}
}

func (c *Consumer) uniques() []uniqueKey {
	return []uniqueKey{key("username", "", c.Username), key("custom_id", "", c.CustomID)}
}

func (p *Plugin) uniques() []uniqueKey {
	return []uniqueKey{
		key("instance_name", "", p.InstanceName),
		key("name", p.Route+"/"+p.Service+"/"+p.Consumer+"/"+p.Group, p.Name), // of several for the same requests, only one could run
	}
}
