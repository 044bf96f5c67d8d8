package conf

import (
	"slices"
)

// An Entity is one row of a configuration.
type Entity interface {
	id() string
	setID(id string)
	at() *meta
	basis() *base
	natural() string   // its unique name; "" if it has none
	refs() []reference // the entities that it belongs to
	check(f *File) Mistakes
}

// ID returns the id of e.
func ID(e Entity) string { return e.id() }

// Name returns the unique name of e, "" if it has none.
func Name(e Entity) string { return e.natural() }

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
	Name string // of its collection, such as services

	fresh func() Entity
	list  func(*File) []Entity
	set   func(*File, []Entity)
}

// List returns the entities of the kind.
func (k Kind) List(f *File) []Entity { return k.list(f) }

func kindOf[T any, E interface {
	*T
	Entity
}](name string, fresh func() E, slot func(*File) *[]E) Kind {
	return Kind{
		Name:  name,
		fresh: func() Entity { return fresh() },
		list: func(f *File) []Entity {
			all := make([]Entity, len(*slot(f)))
			for i, e := range *slot(f) {
				all[i] = e
			}
			return all
		},
		set: func(f *File, all []Entity) {
			out := make([]E, len(all))
			for i, e := range all {
				out[i], _ = e.(E)
			}
			*slot(f) = out
		},
	}
}

// Kinds returns all kinds; what others refer to comes first.
func Kinds() []Kind {
	return []Kind{
		kindOf("ca_certificates", func() *CACertificate { return &CACertificate{} }, func(f *File) *[]*CACertificate { return &f.CACertificates }),
		kindOf("certificates", func() *Certificate { return &Certificate{} }, func(f *File) *[]*Certificate { return &f.Certificates }),
		kindOf("snis", func() *SNI { return &SNI{} }, func(f *File) *[]*SNI { return &f.SNIs }),
		kindOf("upstreams", NewUpstream, func(f *File) *[]*Upstream { return &f.Upstreams }),
		kindOf("targets", NewTarget, func(f *File) *[]*Target { return &f.Targets }),
		kindOf("services", NewService, func(f *File) *[]*Service { return &f.Services }),
		kindOf("routes", NewRoute, func(f *File) *[]*Route { return &f.Routes }),
		kindOf("consumers", func() *Consumer { return &Consumer{} }, func(f *File) *[]*Consumer { return &f.Consumers }),
		kindOf("keyauth_credentials", func() *KeyAuth { return &KeyAuth{} }, func(f *File) *[]*KeyAuth { return &f.KeyAuths }),
		kindOf("jwt_secrets", NewJWTSecret, func(f *File) *[]*JWTSecret { return &f.JWTSecrets }),
		kindOf("basicauth_credentials", func() *BasicAuth { return &BasicAuth{} }, func(f *File) *[]*BasicAuth { return &f.BasicAuths }),
		kindOf("acls", func() *ACL { return &ACL{} }, func(f *File) *[]*ACL { return &f.ACLs }),
		kindOf("plugins", NewPlugin, func(f *File) *[]*Plugin { return &f.Plugins }),
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

// Find returns the entity with that id or name, nil if there is none.
func (k Kind) Find(f *File, idOrName string) Entity {
	if idOrName == "" {
		return nil
	}
	all := k.list(f)
	for _, same := range []func(Entity) bool{
		func(e Entity) bool { return e.id() == idOrName },
		func(e Entity) bool { return e.natural() == idOrName },
	} {
		if i := slices.IndexFunc(all, same); i >= 0 {
			return all[i]
		}
	}
	return nil
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
func (*Consumer) refs() []reference      { return nil }
func (*Certificate) refs() []reference   { return nil }
func (*CACertificate) refs() []reference { return nil }

func (s *Service) refs() (all []reference) {
	for i := range s.CACertificates {
		all = append(all, reference{field: "ca_certificates", kind: "ca_certificates", ref: &s.CACertificates[i]})
	}
	return all
}

func (r *Route) refs() []reference {
	return []reference{{field: "service", kind: "services", ref: &r.Service, must: true}}
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
	}
}
