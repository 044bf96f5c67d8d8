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
		if strings.Contains(name, "|") || strings.Contains(param, "|") { // a choice of rules, each with its parameter
			name, param = word, ""
		}
		list = append(list, tag{name, param})
	}
	return list
}

// none reports whether the tag is "-": no rules here, and none further down.
func (t *tags) none() bool { return len(t.rules) == 1 && t.rules[0].name == "-" }

// bare reports whether the tag switches off the rules of a struct's fields.
func (t *tags) bare() bool {
	return t.none() || slices.Contains(t.rules, tag{name: "structonly"}) || slices.Contains(t.rules, tag{name: "nostructlevel"})
}

// split splits the tags of a list or dict: the rules before "dive" are its own, those
// between "keys" and "endkeys" after it are for its keys, the rest is for its
// elements. Cleaners are for keys and elements alike, unless they have a part of
// their own for the keys.
func split(t tags, keyed, textKeys bool) (own, keys, elems tags) {
	own.rules, elems.clean = t.rules, t.clean
	if textKeys {
		keys.clean = t.clean
	}
	if i := slices.Index(t.rules, tag{name: "dive"}); i >= 0 {
		own.rules, elems.rules = t.rules[:i], t.rules[i+1:]
	}
	if keyed {
		keys.rules, elems.rules = cutKeys(elems.rules)
		if part, rest := cutKeys(t.clean); part != nil {
			keys.clean, elems.clean = part, rest
		}
	}
	return own, keys, elems
}

// cutKeys takes the words between "keys" and "endkeys" off the beginning of list. A
// part without an end is left: there is no rule of its name.
func cutKeys(list []tag) (keys, rest []tag) {
	end := slices.Index(list, tag{name: "endkeys"})
	if end < 0 || list[0] != (tag{name: "keys"}) {
		return nil, list
	}
	return list[1:end], list[end+1:]
}
