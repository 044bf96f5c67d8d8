package markup

import (
	"slices"
	"strings"
)

// attrKind says how the value of an attribute is checked.
type attrKind uint8

const (
	attrUnknown attrKind = iota
	attrText             // any text
	attrAny              // not an attribute, but every one whose name begins so
	attrURL              // a URL with an allowed scheme, or without one
	attrImage            // that, or an image in a data URL; in a frame, the URL of a named host
	attrSrcset           // several URLs with their sizes
	attrClass            // the classes whose patterns are allowed
	attrStyle            // the declarations that are allowed
	attrID               // an id, which gets the prefix
	attrIDs              // ids of other elements, which get it too
	attrTarget           // _blank
)

// attributeNamed returns the kind of the attribute name, if it is one that
// AllowAttrs may allow, and whether it is known to be dangerous. Dangerous are
// event handlers and style, id and name (a page's scripts find them: DOM
// clobbering), attributes that load, submit or frame, and those by which a
// script library is told what to do.
func attributeNamed(name string) (kind attrKind, unsafe bool) {
	switch name {
	case "abbr", "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "colspan", "datetime",
		"decoding", "dir", "face", "height", "lang", "loading", "media", "open", "rel", "reversed", "role", "rowspan", "scope",
		"size", "sizes", "span", "start", "title", "type", "valign", "value", "width":
		return attrText, false
	case "cite", "href", "longdesc":
		return attrURL, false
	case "src":
		return attrImage, false
	case "srcset":
		return attrSrcset, false
	case "aria-activedescendant", "aria-controls", "aria-describedby", "aria-details", "aria-errormessage", "aria-flowto",
		"aria-labelledby", "aria-owns", "headers":
		return attrIDs, false
	case "data-*", "aria-*":
		return attrAny, false
	case "style", "id", "name", "srcdoc", "action", "formaction", "background", "data", "ping", "poster", "sandbox", "allow",
		"target", "form", "is", "slot", "part", "manifest", "usemap", "xmlns":
		return attrUnknown, true
	}
	switch rest, isData := strings.CutPrefix(name, "data-"); {
	case isData && isDashed(rest):
		if isScripted(rest) {
			return attrUnknown, true
		}
		return attrText, false
	case strings.HasPrefix(name, "aria-") && isDashed(name[len("aria-"):]):
		return attrText, false
	}
	return attrUnknown, len(name) > 2 && name[:2] == "on"
}

// isDashed reports whether s is a name of lower-case letters, digits and "-".
func isDashed(s string) bool {
	for i := range len(s) {
		if c := s[i]; ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

// scripted begins the names, after "data-", by which libraries find elements and
// are told what to do with them, some to run what is in the attribute: htmx,
// Stimulus, Turbo, Alpine, AngularJS, Vue, Knockout, Datastar, Unpoly, Rails, jQuery
// Mobile and its unobtrusive helpers, Bootstrap, Foundation, UIkit, Dojo, Kendo,
// Parsley, WordPress, and what loads images late, past the check of URLs.
const scripted = " abide action ajax animate animation attr autoload background bg bind bs change class click close cloak command computed " +
	"confirm container content controller delay dismiss disable dojo dropdown effect ember equalizer error event expr for func " +
	"geo hook href html hx icheck if ignore include indicator init interchange intersect json lazy link load magellan " +
	"mask mdb method model mouse ng offcanvas on onload open orbit original outlet parallax params parent parsley persist placement poster prop ref " +
	"reflex rel remote replace reveal ride role scroll script show signals slide spy src srcset star sticky style submit svelte switch tab template " +
	"text title toggle tooltip transition trigger turbo turbolinks uk up url v val w widget win wp x yeti ujs zf "

// isScripted reports whether an attribute named "data-" + rest is not to be
// written by strangers.
func isScripted(rest string) bool {
	first, _, _ := strings.Cut(rest, "-")
	if strings.Contains(scripted, " "+first+" ") {
		return true
	}
	for _, end := range []string{"-action", "-class", "-outlet", "-param", "-target", "-url", "-src", "-href", "-value", "-html"} { // of Stimulus and its like
		if strings.HasSuffix(rest, end) {
			return true
		}
	}
	return rest == "target"
}

// kind returns how the value of the attribute key is checked.
func (t *tagPolicy) kind(key []byte) attrKind {
	kind := t.attrs[string(key)]
	if kind == attrUnknown && len(key) > len("data-") && key[len("data")] == '-' {
		if all := string(key[:len("data-")]) + "*"; t.attrs[all] == attrAny {
			kind, _ = attributeNamed(string(key))
		}
	}
	return kind
}

// attributes writes the attributes of the current tag that t allows to c.attrs, in
// the order of the input, and reports whether the element may stand with them.
// The tokenizer has dropped repeated ones, as browsers do.
func (c *cleaner) attributes(t *tagPolicy) bool {
	c.attrs = c.attrs[:0]
	if t.flags&isInput != 0 {
		return c.checkbox()
	}
	l := linkAttrs{}
	for more := len(t.attrs) > 0; more; {
		var key, value []byte
		key, value, more = c.z.TagAttr()
		switch kind := t.kind(key); {
		case kind == attrUnknown, kind == attrAny:
		case t.flags&isLink != 0 && string(key) == "rel" && (c.rel != "" || c.newTabs):
			l.rel = string(value)
		case kind == attrTarget:
			l.newTab = strings.EqualFold(string(value), "_blank")
		case kind == attrText:
			c.attrs = appendAttr(c.attrs, key, value)
		default:
			if text, ok := c.value(t, kind, key, string(value)); ok {
				c.attrs = appendAttr(c.attrs, key, text)
				if string(key) == "href" || string(key) == "src" {
					l.url, l.linked = text, true
				}
			}
		}
	}
	switch {
	case t.flags&isFrame != 0:
		c.attrs = append(c.attrs, frameAttrs...)
		return l.linked
	case t.flags&isLink != 0:
		c.linkAttrs(t, l)
	}
	return true
}

// value returns the value of an attribute as it may be written, and whether it may.
func (c *cleaner) value(t *tagPolicy, kind attrKind, key []byte, s string) (string, bool) {
	switch kind {
	case attrURL:
		return c.url(t, key, s, c.isAllowedURL)
	case attrImage:
		if t.flags&isFrame != 0 {
			return c.url(t, key, s, c.isFrameURL)
		}
		return c.url(t, key, s, c.isImageURL)
	case attrSrcset:
		s = c.srcset(t, s)
	case attrClass:
		s = t.classesOf(s)
	case attrStyle:
		s = t.styleOf(s)
	case attrID:
		return c.withPrefix(s), s != "" && len(s) <= maxID && !strings.ContainsFunc(s, isSpaceOrControl)
	case attrIDs:
		if c.idPrefix == "" {
			return s, true
		}
		ids := strings.Fields(s)
		for i, id := range ids {
			ids[i] = c.withPrefix(id)
		}
		s = strings.Join(ids, " ")
	default: // any text
		return s, true
	}
	return s, s != ""
}

const maxID = 256

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// withPrefix returns the id s with the policy's prefix.
func (c *cleaner) withPrefix(s string) string {
	if strings.HasPrefix(s, c.idPrefix) {
		return s
	}
	return c.idPrefix + s
}

// classesOf returns those classes in s that the patterns allow.
func (t *tagPolicy) classesOf(s string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(s), func(class string) bool {
		return !slices.ContainsFunc(t.classes, func(pattern string) bool { return matches(pattern, class) })
	}), " ")
}

// matches reports whether class is the pattern, or begins with it up to its "*".
func matches(pattern, class string) bool {
	start, open := strings.CutSuffix(pattern, "*")
	if !open {
		return class == pattern
	}
	return len(class) > len(start) && class[:len(start)] == start && isClass(class)
}

// isClass reports whether s is a class of letters, digits, "-" and "_".
func isClass(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; ('a' > c || c > 'z') && ('0' > s[i] || s[i] > '9') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

// checkbox writes the attributes of a box that cannot be ticked, as in a list of
// tasks, and reports whether the current tag is a checkbox.
func (c *cleaner) checkbox() bool {
	found, checked := false, ""
	for more := true; more; {
		var key, value []byte
		key, value, more = c.z.TagAttr()
		switch string(key) {
		case "type":
			found = strings.EqualFold(string(value), "checkbox")
		case "checked":
			checked = ` checked=""`
		}
	}
	c.attrs = append(append(c.attrs, ` type="checkbox" disabled=""`...), checked...)
	return found
}

// linkAttrs are the attributes of a link that depend on each other.
type linkAttrs struct {
	url    string
	rel    string // as the author wrote it
	linked bool   // there is a URL
	newTab bool
}

// linkAttrs writes target and rel. The page behind a link in a new tab must not
// reach back to this one.
func (c *cleaner) linkAttrs(t *tagPolicy, l linkAttrs) {
	rel := c.rel
	switch {
	case rel != "" && (!l.linked || isMail(l.url)): // mail has nothing to follow
		rel = ""
	case rel == "" && t.attrs["rel"] != attrUnknown:
		rel = l.rel
	}
	if l.newTab && l.linked {
		c.attrs = append(c.attrs, ` target="_blank"`...)
		words := slices.DeleteFunc(strings.Fields(rel), func(s string) bool {
			return strings.EqualFold(s, "opener") || strings.EqualFold(s, "noopener")
		})
		rel = strings.Join(append(words, "noopener"), " ")
	}
	if rel != "" {
		c.attrs = appendAttr(c.attrs, "rel", rel)
	}
}

func appendAttr[N, V []byte | string](out []byte, name N, value V) []byte {
	out = append(out, ' ')
	out = append(out, name...)
	out = append(out, '=', '"')
	out = appendEscaped(out, value, true)
	return append(out, '"')
}
