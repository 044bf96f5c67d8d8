package sanitize

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A rule is the compiled form of one word of a validate tag.
type rule struct {
	word tag
	ends func(v reflect.Value) bool                  // reports whether to skip the rules after it
	run  func(f *findings, v reflect.Value) *Invalid // nil for a rule that only ends
}

// check runs the rules of n on v until one refuses, or ends the others.
func (n *node) check(f *findings, v reflect.Value) (inv *Invalid, ended bool) {
	for i := range n.rules {
		r := &n.rules[i]
		if r.run == nil {
			if r.ends(v) {
				return nil, true
			}
			continue
		}
		if inv := r.run(f, v); inv != nil {
			return f.localise(r.word, v, inv), true
		}
	}
	return nil, false
}

// steps compiles the tags of a node. Tags that do not exist, do not fit the
// type or have a bad parameter are mistakes.
func (c *compiler) steps(n *node, tags tags, where string) {
	for _, w := range tags.clean {
		clean := c.cleaner(w)
		switch {
		case clean == nil:
			c.mistake(where, rampart.ReasonUnknown, "sanitize:"+w.String(), "there is no such cleaner; fix the spelling, or add it to Config.Cleaners")
		case n.kind != kindText:
			c.mistake(where, ReasonUnsupported, "sanitize:"+w.String(), "cleaners are for texts; remove the tag")
		default:
			n.clean = append(n.clean, clean)
		}
	}
	for _, w := range tags.rules {
		if w.name == "decimal" && n.kind == kindText { // it changes what min and max mean, wherever it stands
			n.decimal = parseDecimal(w.param)
		}
	}
	n.late = n.late || slices.ContainsFunc(tags.rules, c.library.asksOthers)
	canonical := n.decimal != nil
	for _, w := range tags.rules {
		if canonical && ownControl(w.name) == nil {
			n.rules = append(n.rules, textRule(tag{name: "decimal"}, n.decimal.canonical))
			canonical = false
		}
		r, reason := c.rule(n, w)
		if reason != "" {
			c.mistake(where, reason, "validate:"+w.String(), wantRule(n, w, reason))
		}
		if r.run != nil || r.ends != nil {
			n.rules = append(n.rules, r)
		}
	}
	n.most = mostBytes(tags.rules)
	if n.kind == kindFile {
		if !slices.ContainsFunc(tags.rules, func(w tag) bool { return w.name == "types" }) {
			c.mistake(where, rampart.ReasonMissing, "validate:types", `say which types a file may have, such as validate:"types=image/png image/jpeg"`)
		}
	}
}

// wantRule says what would be right in place of n's rule w.
func wantRule(n *node, w tag, reason rampart.Reason) string {
	name, _, _ := strings.Cut(w.name, "|")
	name, _, _ = strings.Cut(name, "=")
	switch {
	case reason == rampart.ReasonUnsafe:
		return "a file of this type can run code in a browser; remove it"
	case reason == rampart.ReasonDuplicate:
		return "a file has one list of types; write all of them into one rule, with spaces between them"
	case reason == rampart.ReasonUnknown && w.name == "types":
		return `the content does not tell this type; use such as "image/png", "application/pdf" or "text/csv"`
	case name == "keys" || name == "endkeys":
		return `these stand behind the "dive" of a map, around the rules for its keys, such as "dive,keys,alpha,endkeys,max=9"`
	case reason == rampart.ReasonUnknown && strings.TrimSpace(w.name) != w.name:
		return "only a comma separates rules; remove the space"
	case reason == rampart.ReasonUnknown:
		return "there is no such rule; fix the spelling, or add it to Config.Rules"
	case reason == ReasonUnsupported && (n.kind == kindList || n.kind == kindDict):
		return `the rule does not fit a list or map; for its elements, write it behind "dive"`
	case reason == ReasonUnsupported:
		return "the rule does not fit the field's type; remove it"
	case asksPairs(name):
		return "write pairs of a Go field of this struct and a value that the field can hold, such as " + name + "=Country DE"
	case asksField(name), strings.HasPrefix(name, "required_"), strings.HasPrefix(name, "excluded_"):
		return "name Go fields of this struct (not names of the input), of a type that can be compared, such as " + name + "=Other"
	case (name == "oneof" || name == "noneof") && w.param != "":
		return "each choice must be a number that the field's type can hold"
	default:
		return "the rule has a wrong parameter, or lacks one, or takes none; see the documentation of package sanitize"
	}
}

// cleaner returns what the sanitize tag w stands for.
func (c *compiler) cleaner(w tag) func(string) string {
	if clean := c.cleaners[w.String()]; clean != nil {
		return clean
	}
	return builtinCleaner(w.String())
}

// rule compiles the rule w for n, or returns the reason why it cannot.
func (c *compiler) rule(n *node, w tag) (r rule, reason rampart.Reason) {
	control := ownControl(w.name)
	custom, own := c.rules[w.String()], ownRule(w.String())
	isText := n.typ.Kind() == reflect.String
	switch {
	case control != nil && w.param != "":
		return r, rampart.ReasonInvalid
	case control != nil:
		return control(n, w), ""
	case w.name == "structonly" || w.name == "nostructlevel":
		return r, reasonUnless(n.kind == kindObject, ReasonUnsupported)
	case w.name == "types":
		switch {
		case n.kind != kindFile:
			return r, ReasonUnsupported
		case n.files != nil:
			return r, rampart.ReasonDuplicate
		}
		reason := n.types(w, c.uploads)
		return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
			if f.absent { // then it is for "required" to say
				return nil
			}
			return n.checkFile(v.Addr().Interface().(*File)) //nolint:forcetypeassert // its kind says so
		}}, reason
	case w.name == "decimal":
		if n.kind != kindText {
			return r, ReasonUnsupported
		}
		return r, reasonUnless(n.decimal != nil, rampart.ReasonInvalid)
	case w.name == "dive", w.name == "keys", w.name == "endkeys", w.name == "-":
		return r, ReasonUnsupported // there are no elements, or it stands elsewhere than it may
	case strings.Contains(w.name, "|"):
		return c.either(n, w)
	case isBound(w.name) && n.isMeasured(w):
		return n.bound(w)
	case custom == nil && own == nil || n.kind == kindAny:
		return c.library.rule(n, w, c.owner)
	case !isText:
		return r, ReasonUnsupported
	case custom != nil:
		return textRule(w, func(s string) (string, *Invalid) { return s, asInvalid(custom(s), w) }), ""
	}
	return textRule(w, func(s string) (string, *Invalid) {
		if s == "" {
			return s, shared(strictjson.ErrBlank)
		}
		canonical, err := own(s)
		if n.kind != kindText {
			canonical = s // in the form in which its type has read it
		}
		return canonical, asInvalid(err, w)
	}), ""
}

func reasonUnless(ok bool, reason rampart.Reason) rampart.Reason {
	if ok {
		return ""
	}
	return reason
}

// textRule returns a rule that refuses a text, or stores it in canonical form.
func textRule(w tag, f func(string) (string, *Invalid)) rule {
	return rule{word: w, run: func(_ *findings, v reflect.Value) *Invalid {
		s := v.String()
		canonical, inv := f(s)
		if inv == nil && canonical != s {
			v.SetString(canonical)
		}
		return inv
	}}
}

// either compiles a choice of rules, such as "email|phone": one of them must accept.
func (c *compiler) either(n *node, w tag) (r rule, reason rampart.Reason) {
	var some []rule
	var names []string
	for one := range strings.SplitSeq(w.name, "|") {
		name, param, _ := strings.Cut(one, "=")
		r, reason := c.rule(n, tag{name, param})
		switch {
		case reason != "":
			return r, reason
		case r.run == nil:
			return r, rampart.ReasonInvalid
		}
		some, names = append(some, r), append(names, name)
	}
	inv := &Invalid{Code: strings.Join(names, "|"), Detail: "Enter a valid value."}
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		for i := range some {
			if some[i].run(f, v) == nil {
				return nil
			}
		}
		return inv
	}}, ""
}

// ownControl returns the constructor of the named rule, if that rule looks only at
// whether there is a value; nil for other rules.
func ownControl(name string) func(n *node, w tag) rule {
	switch name {
	case "required":
		return requiredRule
	case "present":
		return func(_ *node, w tag) rule {
			return rule{word: w, run: func(f *findings, _ reflect.Value) *Invalid { return refuseIf(f.absent, shared(strictjson.ErrRequired)) }}
		}
	case "omitempty":
		return func(n *node, w tag) rule {
			return rule{word: w, ends: func(v reflect.Value) bool { return n.behind != aPointer && v.IsZero() }}
		}
	case "omitzero":
		return func(_ *node, w tag) rule {
			return rule{word: w, ends: func(v reflect.Value) bool {
				if v.Kind() == reflect.Interface {
					v = v.Elem()
				}
				k := v.Kind()
				return v.IsZero() || (k == reflect.Slice || k == reflect.Map) && v.Len() == 0
			}}
		}
	case "omitnil":
		return func(_ *node, w tag) rule {
			return rule{word: w, ends: func(v reflect.Value) bool {
				return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil()
			}}
		}
	}
	return nil
}

// isOwn reports whether the validate tag name is one of this package.
func isOwn(name string) bool {
	switch name {
	case "decimal", "types", "structonly", "nostructlevel", "dive", "keys", "endkeys", "-":
		return true
	}
	return ownControl(name) != nil || ownRule(name) != nil
}

// requiredRule refuses the zero value, except behind a pointer. A struct must be in
// the input: its fields have rules of their own.
func requiredRule(n *node, w tag) rule {
	missing, blank := shared(strictjson.ErrRequired), shared(strictjson.ErrBlank)
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		switch {
		case n.behind != nothing:
			return nil
		case n.kind == kindObject:
			return refuseIf(f.absent, missing)
		case n.kind == kindText && !f.absent:
			return refuseIf(v.Len() == 0, blank)
		}
		return refuseIf(v.IsZero(), missing)
	}}
}

// nulls compiles the rules for null and for a missing field. As in the library, the
// first rule refuses both, unless it is "omitempty" or the like; required_if and its
// relatives decide by other fields. Of an Optional or File only these and "required"
// apply.
func (c *compiler) nulls(n *node, tags tags) {
	if c.bare || tags.none() {
		return
	}
	lenient := n.kind == kindOptional || n.kind == kindNull || n.kind == kindPointer && n.elem.kind == kindFile
	asked := false // one of those relatives came before: the library then treats nil as a value
	for _, w := range tags.rules {
		switch name := w.name; {
		case name == "omitempty", name == "omitnil", name == "omitzero", !asked && name == "isdefault", (asked || lenient) && name == "dive":
			return
		case asked && (name == "isdefault" || name == "structonly" || name == "nostructlevel"):
		case name == "present":
			n.null = append(n.null, ownControl(name)(n, w))
		case c.library.takesNil(w):
			r, reason := c.library.ofNil(n, w, c.owner)
			if reason != "" { // as is said of the value
				return
			}
			n.null, n.late, asked = append(n.null, r), true, true
		case lenient && name != "required":
		default:
			n.null = append(n.null, rule{word: w, run: func(f *findings, _ reflect.Value) *Invalid {
				if f.absent {
					return shared(strictjson.ErrRequired)
				}
				return shared(strictjson.ErrNull)
			}})
			return
		}
	}
}

// ownRule returns the validator of this package that the validate tag name
// stands for.
func ownRule(name string) func(string) (string, error) {
	switch name {
	case "email":
		return Email
	case "phone":
		return Phone
	case "username":
		return Username
	case "filename":
		return Filename
	case "slug":
		return func(s string) (string, error) { return s, Slug(s) }
	case "ip":
		return func(s string) (string, error) {
			addr, err := IP(s)
			return addr.String(), err
		}
	case "url":
		return func(s string) (string, error) {
			u, err := URL(s)
			if err != nil {
				return "", err
			}
			return u.String(), nil
		}
	}
	return nil
}

// asInvalid returns what a client may see of err, which the rule w found.
func asInvalid(err error, w tag) *Invalid {
	if err == nil {
		return nil
	}
	if inv, ok := errors.AsType[*Invalid](err); ok && inv != nil { // a nil one in an error is an error
		return inv
	}
	return &Invalid{Code: w.name, Detail: "Enter a valid value.", Params: w.params()}
}
