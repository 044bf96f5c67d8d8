package sanitize

import (
	"reflect"
	"slices"
	"strings"
)

// A tag is one word of a struct tag: "required", or "max=254" with its
// parameter.
type tag struct{ name, param string }

// String returns the tag as it was written.
func (t tag) String() string {
	if t.param == "" {
		return t.name
	}
	return t.name + "=" + t.param
}

// params returns what a client may know of the rule t; nil if it has no parameter.
func (t tag) params() map[string]string {
	if t.param == "" {
		return nil
	}
	return map[string]string{t.name: t.param}
}

// tags holds the words of one field's sanitize and validate tags.
type tags struct{ clean, rules []tag }

func parseTags(st reflect.StructTag) tags {
	return tags{clean: words(st.Get("sanitize")), rules: words(st.Get("validate"))}
}

func words(s string) []tag {
	if s == "" {
		return nil
	}
	var list []tag
	for word := range strings.SplitSeq(s, ",") {
		name, param, _ := strings.Cut(word, "=")
		list = append(list, tag{name, param})
	}
	return list
}

// take removes the rule name and reports whether it was there. One after "dive" is
// not the field's.
func (t *tags) take(name string) bool {
	for i, w := range t.rules {
		switch w {
		case tag{name: name}:
			t.rules = slices.Delete(t.rules, i, i+1)
			return true
		case tag{name: "dive"}:
			return false
		}
	}
	return false
}

// dive splits the tags of a list or dict: the rules before "dive" are its own,
// those after it and all cleaners are for its elements.
func (t *tags) dive() (own, elems tags) {
	own.rules, elems.clean = t.rules, t.clean
	if i := slices.Index(t.rules, tag{name: "dive"}); i >= 0 {
		own.rules, elems.rules = t.rules[:i], t.rules[i+1:]
	}
	return own, elems
}
