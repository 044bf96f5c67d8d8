package markup

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

// wantAllowed is for an element that is used before it is allowed.
const wantAllowed = "allow this element first, with AllowTags"

// A Policy is an allow-list of elements, attributes and URL schemes, and cleans
// HTML with it. It is immutable and safe for concurrent use. The zero value
// allows nothing: tags are dropped, text is kept, escaped. Create others with
// [New], [Basic] or [UGC], once: it takes longer than cleaning.
// [Policy.With] widens one.
type Policy struct {
	tags    map[string]*tagPolicy
	global  map[string]attrKind // attributes of every tag
	schemes []string            // nil in the zero Policy, which has no links: the default
	rel     string              // of every link; empty: none is added

	escape   bool // disallowed tags are shown as text
	dropCode bool // a disallowed script or style goes with its content
	oneBreak bool // dropped blocks leave one line break, and only between texts

	links  bool         // URLs in the text become links
	emails bool         // addresses too
	skip   []*tagPolicy // but not in these elements
}

// A tagPolicy is an allowed element with its attributes.
type tagPolicy struct {
	element
	index int // counts this policy's elements, for the cleaner's arrays
	attrs map[string]attrKind
}

// An Option widens a policy or changes what it does with the rest. Its
// mistakes are [*rampart.ConfigError]s.
type Option func(*Policy) error

// New returns a policy that allows what opts name and nothing else, or
// every mistake in opts, each a [*rampart.ConfigError], joined. A policy that
// could let code run cannot be made: there are no options for script, style,
// svg, math and other elements that change how the rest is read, for event
// handlers, style, id and name, or for javascript and data URLs.
func New(opts ...Option) (*Policy, error) { return new(Policy).With(opts...) }

// With returns a policy that is h widened by opts, or every mistake in opts, as
// [New] does. It does not change h.
func (h *Policy) With(opts ...Option) (*Policy, error) {
	next := *h
	next.tags, next.global = make(map[string]*tagPolicy), make(map[string]attrKind)
	maps.Copy(next.global, h.global)
	if h.schemes == nil {
		next.schemes = []string{"http", "https", "mailto"}
	}
	for name, t := range h.tags {
		next.tags[name] = &tagPolicy{element: t.element, index: t.index, attrs: maps.Clone(t.attrs)}
	}
	next.skip = nil
	for _, t := range h.skip {
		next.skip = append(next.skip, next.tags[t.name])
	}
	var errs []error
	for _, opt := range opts {
		errs = append(errs, opt(&next))
	}
	for _, t := range next.tags {
		maps.Copy(t.attrs, next.global)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &next, nil
}

// AllowTags allows elements.
func AllowTags(names ...string) Option {
	names = slices.Clone(names)
	return func(h *Policy) error {
		bad := conferr.For("markup.AllowTags")
		for _, name := range names {
			el, ok := elementNamed(name)
			switch {
			case !ok && isUnsafeElement(name):
				bad.Add("names", conferr.ReasonUnsafe, name, "this element can run code or changes how the rest is read; no policy can allow it")
			case !ok:
				bad.Add("names", conferr.ReasonUnknown, name, `use the name of an HTML element in lower case, such as "p"`)
			case h.tags[name] == nil:
				h.tags[name] = &tagPolicy{element: el, index: len(h.tags), attrs: make(map[string]attrKind)}
			}
		}
		return bad.Err()
	}
}

// AllowAttrs allows attributes on a tag that is allowed before it, or on every
// tag with "*". Those that hold a URL are checked against the schemes.
func AllowAttrs(tag string, names ...string) Option {
	names = slices.Clone(names)
	return func(h *Policy) error {
		attrs := h.global
		if tag != "*" {
			if h.tags[tag] == nil {
				return conferr.New("markup.AllowAttrs", "tag", conferr.ReasonUnknown, tag, wantAllowed)
			}
			attrs = h.tags[tag].attrs
		}
		bad := conferr.For("markup.AllowAttrs")
		for _, name := range names {
			kind, unsafe := attributeNamed(name)
			switch {
			case unsafe:
				bad.Add("names", conferr.ReasonUnsafe, name, "this attribute can run code or pass for a part of the page; no policy can allow it")
			case kind == attrUnknown:
				bad.Add("names", conferr.ReasonUnknown, name, `use the name of an HTML attribute in lower case, such as "title"`)
			default:
				attrs[name] = kind
			}
		}
		return bad.Err()
	}
}

// AllowSchemes replaces the schemes that a URL may have: http, https and
// mailto. With no schemes, none is allowed. A URL without a scheme always is.
func AllowSchemes(schemes ...string) Option {
	schemes = append([]string{}, schemes...) // never nil, which stands for the default
	return func(h *Policy) error {
		bad := conferr.For("markup.AllowSchemes")
		for _, s := range schemes {
			switch {
			case isUnsafeScheme(s):
				bad.Add("schemes", conferr.ReasonUnsafe, s, "a URL of this scheme runs code or carries its own document; no policy can allow it")
			case !isScheme(s) || s != strings.ToLower(s):
				bad.Add("schemes", conferr.ReasonInvalid, s, `write a scheme in lower case without its colon, such as "https"`)
			}
		}
		h.schemes = schemes
		return bad.Err()
	}
}

// EscapeDisallowed shows a disallowed tag as text in place of dropping it, as
// bleach does by default.
func EscapeDisallowed() Option {
	return func(h *Policy) error {
		h.escape = true
		return nil
	}
}

// DropCode drops a disallowed script or style with its content, which otherwise
// stays as text: harmless, but not meant to be read. [EscapeDisallowed] does not
// show these two then.
func DropCode() Option {
	return func(h *Policy) error {
		h.dropCode = true
		return nil
	}
}

// linkRel sets the rel attribute of every link; the input's own is dropped.
func linkRel(rel string) Option {
	return func(h *Policy) error {
		h.rel = rel
		return nil
	}
}

// Basic returns the policy of bleach.clean: links, lists and inline elements;
// tags that are not allowed are shown as text.
func Basic() *Policy {
	return fixed(
		AllowTags("a", "abbr", "acronym", "b", "blockquote", "code", "em", "i", "li", "ol", "strong", "ul"),
		AllowAttrs("a", "href", "title"),
		AllowAttrs("abbr", "title"),
		AllowAttrs("acronym", "title"),
		EscapeDisallowed(),
	)
}

// UGC returns a policy for what users write in Markdown or a rich text editor:
// headings, lists, tables, images, code. Links get rel="nofollow", scripts and
// styles go with their content. There is no id, name, class or style, with which
// a text could pass for a part of the page.
func UGC() *Policy {
	return fixed(
		AllowTags("a", "abbr", "acronym", "b", "blockquote", "br", "caption", "cite", "code", "dd", "del", "details", "dfn",
			"div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd",
			"li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup",
			"table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr"),
		AllowAttrs("*", "dir", "lang", "title"),
		AllowAttrs("a", "href"),
		AllowAttrs("img", "src", "alt", "width", "height"),
		AllowAttrs("blockquote", "cite"),
		AllowAttrs("q", "cite"),
		AllowAttrs("ol", "start", "reversed", "type"),
		AllowAttrs("td", "align", "colspan", "rowspan"),
		AllowAttrs("th", "align", "colspan", "rowspan", "scope"),
		AllowAttrs("time", "datetime"),
		AllowAttrs("del", "datetime"),
		AllowAttrs("ins", "datetime"),
		linkRel("nofollow"),
		DropCode(),
	)
}

// fixed returns the policy of options that the tests know to be right. If they
// were not, it would allow nothing.
func fixed(opts ...Option) *Policy {
	h, err := New(opts...)
	if err != nil {
		return new(Policy)
	}
	return h
}

// isScheme reports whether s is a scheme (RFC 3986 section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if ('a' > c || c > 'z') && (i == 0 || ('0' > s[i] || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return token.Valid(s)
}

// isUnsafeScheme reports whether a URL of scheme s runs code or carries its own
// document.
func isUnsafeScheme(s string) bool {
	switch strings.ToLower(s) {
	case "javascript", "vbscript", "livescript", "mocha", "data", "blob", "filesystem", "file", "about", "view-source", "jar", "mhtml",
		"ms-its", "mk", "wyciwyg", "resource", "chrome", "moz-icon":
		return true
	}
	return false
}

// isUnsafeElement tells elements that no policy can allow from misspelt ones.
func isUnsafeElement(name string) bool {
	switch name {
	case "applet", "base", "body", "button", "embed", "form", "frame", "frameset", "head", "html", "iframe", "input",
		"isindex", "keygen", "link", "listing", "marquee", "math", "meta", "noembed", "noframes", "noscript", "object", "option",
		"param", "plaintext", "portal", "script", "select", "style", "svg", "template", "textarea", "title", "xmp":
		return true
	}
	return false
}
