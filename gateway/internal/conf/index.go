package conf

import (
	"maps"
	"slices"
	"strings"
)

// index finds the entities of one kind: by uniqueKey, and by id. It is not changed
// once its File is in use.
type index map[uniqueKey]Entity

// keys returns all by which e is found.
func keys(e Entity) []uniqueKey {
	all := []uniqueKey{key("id", "", e.id())}
	for _, u := range e.uniques() {
		if !strings.HasSuffix(u.value, "\x00") { // it is not set
			all = append(all, u)
		}
	}
	return all
}

// add puts e into the index. What another entity has of it is a mistake.
func (x index) add(k Kind, e Entity) (ms Mistakes) {
	for _, u := range keys(e) {
		if other := x[u]; other != nil && other != e {
			ms = append(ms, taken(e.at().mistake(u.field, "another one of %s has the same", k.Name)))
			continue
		}
		x[u] = e
	}
	return ms
}

func (x index) remove(e Entity) {
	for _, u := range keys(e) {
		if x[u] == e {
			delete(x, u)
		}
	}
}

// own gives f an index of the kind that it may change.
func (f *File) own(k Kind) index {
	f.index = maps.Clone(f.index)
	x := maps.Clone(f.index[k.Name])
	if x == nil {
		x = index{}
	}
	if f.index == nil {
		f.index = map[string]index{}
	}
	f.index[k.Name] = x
	return x
}

// by returns the entity of that kind whose field has the value, nil if there is
// none; scope as in key.
func (f *File) by(kind, field string, scope Ref, value string) Entity {
	if value == "" {
		return nil
	}
	return f.index[kind][key(field, scope, value)]
}

// Find returns the entity that an address names: by its id, or by its Key where
// that is unique. A certificate is found by an SNI too. nil: there is none.
func (k Kind) Find(f *File, s string) Entity {
	switch {
	case LooksLikeID(s):
		return f.by(k.Name, "id", "", strings.ToLower(s))
	case k.Name == "certificates":
		if sni, ok := f.by("snis", "name", "", s).(*SNI); ok {
			return f.by(k.Name, "id", "", string(sni.Certificate))
		}
	case k.Key != "" && k.Within == "":
		return f.by(k.Name, k.Key, "", s)
	}
	return nil
}

// FindBelow is Find below the entity parent, which the reference field names.
func (k Kind) FindBelow(f *File, field, parent, s string) Entity {
	e := k.Find(f, s)
	if e == nil && !LooksLikeID(s) {
		e = f.by(k.Name, k.Key, Ref(parent), k.full(s))
	}
	if e == nil || Refers(e, field) != parent {
		return nil
	}
	return e
}

// full returns a Key as entities have it.
func (k Kind) full(s string) string {
	if k.Name == "targets" {
		return withPort(s)
	}
	return s
}

// Consumer returns the consumer with that id or name, nil if there is none.
func (f *File) Consumer(idOrName string) *Consumer {
	c, _ := f.named("consumers", idOrName).(*Consumer)
	return c
}

// ConsumerByCustomID returns the consumer with that custom_id, nil if there is none.
func (f *File) ConsumerByCustomID(id string) *Consumer {
	c, _ := f.by("consumers", "custom_id", "", id).(*Consumer)
	return c
}

// named returns what a reference names, by id or by name.
func (f *File) named(kind, s string) Entity {
	if e := f.by(kind, "id", "", strings.ToLower(s)); e != nil {
		return e
	}
	if kind == "consumers" {
		return f.by(kind, "username", "", s)
	}
	return f.by(kind, "name", "", s)
}

// SameConsumers reports whether f and other share all consumers, and what belongs
// to those alone: credentials and groups.
func (f *File) SameConsumers(other *File) bool {
	for _, k := range Kinds() {
		theirs := slices.ContainsFunc(k.fresh().refs(), func(r reference) bool { return r.kind == "consumers" && r.must })
		if (theirs || k.Name == "consumers") && !k.same(f, other) {
			return false
		}
	}
	return true
}

// resolve turns the names in e's references into ids.
func (f *File) resolve(e Entity) (ms Mistakes) {
	for _, r := range e.refs() {
		if *r.ref == "" {
			if r.must {
				ms = append(ms, e.at().mistake(r.field, "missing"))
			}
			continue
		}
		if found := f.named(r.kind, string(*r.ref)); found != nil {
			*r.ref = Ref(found.id())
		} else {
			m := e.at().mistake(r.field, "there is none of that name or id in %s: %q", r.kind, string(*r.ref))
			m.Missing = true
			ms = append(ms, m)
		}
	}
	return ms
}

// settleAll resolves, identifies, checks and indexes everything. What others refer
// to is settled before them.
func (f *File) settleAll() (ms Mistakes) {
	f.index = map[string]index{}
	for _, k := range Kinds() {
		x, short := make(index, 2*k.Count(f)), map[Ref]int{}
		f.index[k.Name] = x
		i := 0
		for e := range k.All(f) {
			ms = append(ms, f.resolve(e)...)
			ensureID(e, k.Name, placeOf(e, i, short))
			ms = append(ms, f.checkOne(e)...)
			ms = append(ms, x.add(k, e)...)
			i++
		}
	}
	return ms
}

// checkOne checks e by itself, and beside those that it refers to.
func (f *File) checkOne(e Entity) Mistakes {
	ms := e.check(f)
	e.setID(strings.ToLower(e.id()))
	if !LooksLikeID(e.id()) {
		ms = append(ms, e.at().mistake("id", "a UUID is wanted: %q", e.id()))
	}
	return ms
}

// LooksLikeID reports whether s is a UUID, as ids are and addresses may be.
func LooksLikeID(s string) bool {
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
