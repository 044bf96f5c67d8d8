package sanitize

import (
	"errors"
	"reflect"
	"slices"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A textRule refuses a text, or returns it in canonical form.
type textRule func(s string) (string, *Invalid)

// A check refuses a value that is not a text.
type check func(v reflect.Value) *Invalid

// steps compiles the tags of a node. Tags that do not exist, do not fit the
// type or have a bad parameter are mistakes.
func (c *compiler) steps(n *node, t reflect.Type, tags tags, where string) {
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
			if n.decimal = parseDecimal(w.param); n.decimal != nil {
				n.text = append(n.text, n.decimal.canonical)
			}
		}
	}
	for _, w := range tags.rules {
		if reason := c.rule(n, t, w); reason != "" {
			c.mistake(where, reason, "validate:"+w.String(), wantRule(w, reason))
		}
	}
	n.most = mostBytes(tags.rules)
	if n.kind == kindFile && !slices.ContainsFunc(tags.rules, func(w tag) bool { return w.name == "types" }) {
		c.mistake(where, rampart.ReasonMissing, "validate:types", `say which types a file may have, such as validate:"types=image/png image/jpeg"`)
	}
}

// wantRule says what would be right in place of the rule w.
func wantRule(w tag, reason rampart.Reason) string {
	switch {
	case reason == rampart.ReasonUnsafe:
		return "a file of this type can run code in a browser; remove it"
	case reason == rampart.ReasonUnknown && w.name == "types":
		return `the content does not tell this type; use such as "image/png", "application/pdf" or "text/csv"`
	case reason == rampart.ReasonUnknown:
		return "there is no such rule; fix the spelling, or add it to Config.Rules"
	case reason == ReasonUnsupported:
		return "the rule does not fit the field's type; remove it"
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

// rule adds the rule w to n, or returns the reason why it cannot.
func (c *compiler) rule(n *node, t reflect.Type, w tag) (reason rampart.Reason) {
	switch w.name {
	case "min", "max", "len", "gt", "gte", "lt", "lte":
		return n.bound(t, w)
	case "types":
		if n.kind != kindFile {
			return ReasonUnsupported
		}
		return n.types(w, c.uploads)
	case "required", "dive":
		return ReasonUnsupported // an element is always there; only lists have elements
	}
	custom, own := c.rules[w.String()], ownRule(w.String())
	switch {
	case custom == nil && own == nil && w.name != "decimal" && w.name != "omitempty":
		return c.formats.add(n, t, w)
	case n.kind != kindText:
		return ReasonUnsupported
	case w.name == "omitempty":
		n.omitEmpty = true
	case w.name == "decimal":
		if n.decimal == nil {
			return rampart.ReasonInvalid
		}
	case custom != nil:
		n.text = append(n.text, func(s string) (string, *Invalid) { return s, asInvalid(custom(s), w) })
	default:
		n.text = append(n.text, func(s string) (string, *Invalid) {
			if s == "" {
				return s, shared(strictjson.ErrBlank)
			}
			canonical, err := own(s)
			return canonical, asInvalid(err, w)
		})
	}
	return ""
}

// isStructural reports whether the validate tag name is one of those that rule
// knows itself.
func isStructural(name string) bool {
	switch name {
	case "min", "max", "len", "gt", "gte", "lt", "lte", "required", "dive", "omitempty", "decimal", "types":
		return true
	}
	return false
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
	if inv, ok := errors.AsType[*Invalid](err); ok {
		return inv
	}
	return &Invalid{w.name, "Enter a valid value.", w.params()}
}
