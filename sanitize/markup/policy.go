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
	p       *tagPolicy // tags["p"], which every block looks for
	global  *tagPolicy // what every tag may have; nil in the zero Policy
	schemes []string   // nil in the zero Policy, which has no links: the default
	rel     string     // of every link; empty: none is added
	newTabs bool       // links may open one

	idPrefix   string   // of every id; empty: there are none
	imageTypes []string // of data URLs
	maxImage   int      // in bytes
	frames     []string // hosts in lower case
	rewrite    func(tag, attr, url string) string

	escape   bool // disallowed tags are shown as text
	dropCode bool // a disallowed script or style goes with its content
	oneBreak bool // dropped blocks leave one line break, and only between text

	links  bool         // URLs in the text become links
	emails bool         // addresses too
	skip   []*tagPolicy // but not in these elements
}

// A tagPolicy is an allowed element with its attributes.
type tagPolicy struct {
	element
	index   int // counts this policy's elements, for the cleaner's arrays
	attrs   map[string]attrKind
	classes []string           // patterns
	styles  map[string]grammar // by property
}

// clone returns a copy that can be widened.
func (t *tagPolicy) clone() *tagPolicy {
	if t == nil {
		return &tagPolicy{attrs: make(map[string]attrKind), styles: make(map[string]grammar)}
	}
	next := *t
	next.attrs, next.classes, next.styles = maps.Clone(t.attrs), slices.Clone(t.classes), maps.Clone(t.styles)
	return &next
}

// widen adds to t what more may have. An attribute with any text stays so.
func (t *tagPolicy) widen(more *tagPolicy) {
	for name, kind := range more.attrs {
		t.allow(name, kind)
	}
	for _, pattern := range more.classes {
		if !slices.Contains(t.classes, pattern) {
			t.classes = append(t.classes, pattern)
		}
	}
	maps.Copy(t.styles, more.styles)
}

func (t *tagPolicy) allow(attr string, kind attrKind) {
	if t.attrs[attr] != attrText {
		t.attrs[attr] = kind
	}
}

// An Option widens a policy or changes what it does with the rest. Its
// mistakes are [*rampart.ConfigError]s.
type Option func(*Policy) error

// New returns a policy that allows what opts name and nothing else, or
// every mistake in opts, each a [*rampart.ConfigError], joined. A policy that
// could let code run cannot be made: there are no options for script, style,
// svg, math and other elements that change how the rest is read, for event
// handlers and name, for ids as they are written, for CSS that places or loads
// something, or for javascript URLs.
func New(opts ...Option) (*Policy, error) { return new(Policy).With(opts...) }

// With returns a policy that is h widened by opts, or every mistake in opts, as
// [New] does. It does not change h.
func (h *Policy) With(opts ...Option) (*Policy, error) {
	next := *h
	next.tags, next.global = make(map[string]*tagPolicy), h.global.clone()
	if h.schemes == nil {
		next.schemes = []string{"http", "https", "mailto"}
	}
	for name, t := range h.tags {
		next.tags[name] = t.clone()
	}
	next.skip = nil
	for _, t := range h.skip {
		next.skip = append(next.skip, next.tags[t.name])
	}
	next.imageTypes, next.frames = slices.Clone(h.imageTypes), slices.Clone(h.frames)
	var errs []error
	for _, opt := range opts {
		errs = append(errs, opt(&next))
	}
	for _, t := range next.tags {
		t.widen(next.global)
	}
	next.p = next.tags["p"]
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
			default:
				h.add(el)
			}
		}
		return bad.Err()
	}
}

// add allows an element and returns what it may have.
func (h *Policy) add(el element) *tagPolicy {
	t := h.tags[el.name]
	if t == nil {
		t = (*tagPolicy)(nil).clone()
		t.element, t.index = el, len(h.tags)
		h.tags[el.name] = t
	}
	return t
}

// on returns what tag may have, or every tag with "*"; nil and a mistake if it is
// not allowed.
func (h *Policy) on(option, tag string) (*tagPolicy, error) {
	t := h.tags[tag]
	switch {
	case tag == "*":
		return h.global, nil
	case t == nil:
		return nil, conferr.New(option, "tag", conferr.ReasonUnknown, tag, wantAllowed)
	}
	return t, nil
}

// AllowAttrs allows attributes on a tag that is allowed before it, or on every
// tag with "*". Those that hold URLs (href, src, srcset, cite) are checked against
// the schemes. "aria-*" stands for every attribute that begins so, and "data-*"
// too, but for those that a script library could obey: data-hx-get,
// data-controller, data-bs-toggle and some 140 families more, which are mistakes
// by name. No list of them is complete: if a page's own scripts read data
// attributes, allow single ones.
func AllowAttrs(tag string, names ...string) Option {
	names = slices.Clone(names)
	return func(h *Policy) error {
		t, err := h.on("markup.AllowAttrs", tag)
		if err != nil {
			return err
		}
		bad := conferr.For("markup.AllowAttrs")
		for _, name := range names {
			kind, unsafe := attributeNamed(name)
			switch want := wantOption(name); {
			case unsafe && want != "":
				bad.Add("names", conferr.ReasonUnsafe, name, want)
			case unsafe:
				bad.Add("names", conferr.ReasonUnsafe, name, "this attribute can run code or pass for a part of the page; no policy can allow it")
			case kind == attrUnknown:
				bad.Add("names", conferr.ReasonUnknown, name, `use the name of an HTML attribute in lower case, such as "title"`)
			default:
				t.allow(name, kind)
			}
		}
		return bad.Err()
	}
}

// wantOption says which option allows a part of what the attribute could do.
func wantOption(name string) string {
	switch name {
	case "id":
		return "as it is written, an id can pass for a part of the page; use AllowIDs, which gives it a prefix"
	case "style":
		return "unchecked CSS can cover the page and fetch URLs; use AllowStyles for single properties"
	case "target":
		return "a page that a link opens could reach back to this one; use AllowNewTabs"
	}
	return ""
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
