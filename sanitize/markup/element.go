package markup

// An element is what the cleaner knows about an HTML element: how a browser's
// parser (HTML Living Standard, section 13.2.6) treats it, so that the output
// means to the browser what the cleaner took it for.
type element struct {
	name  string
	flags elementFlags
}

type elementFlags uint16

const (
	isVoid    elementFlags = 1 << iota // has no end tag
	isBlock                            // closes an open p, and an inline end tag does not reach through it
	isHeading                          // closes an open heading
	isItem                             // li: closes an open li
	isTerm                             // dt, dd: close each other
	isTable                            // table
	isCell                             // td, th, caption: begins a scope of its own
	isRow                              // tr
	isGroup                            // thead, tbody, tfoot
	isLink                             // a: closes an open a

	isTablePart = isCell | isRow | isGroup
)

// elementNamed returns the element name, if it is one that a policy may allow.
// The list is closed: an element that is not in it runs code (script, object),
// changes the parser's state (style, textarea, noscript, svg, math, template,
// plaintext, select), sends or asks for data (form, input, button), or is not
// known well enough.
func elementNamed(name string) (element, bool) {
	var flags elementFlags
	switch name {
	case "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
		"kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var":
	case "a":
		flags = isLink
	case "br", "img", "wbr":
		flags = isVoid
	case "hr":
		flags = isVoid | isBlock
	case "address", "article", "aside", "blockquote", "center", "details", "div", "dl", "figcaption", "figure", "footer",
		"header", "main", "nav", "ol", "p", "pre", "section", "summary", "ul":
		flags = isBlock
	case "h1", "h2", "h3", "h4", "h5", "h6":
		flags = isBlock | isHeading
	case "li":
		flags = isBlock | isItem
	case "dd", "dt":
		flags = isBlock | isTerm
	case "table":
		flags = isBlock | isTable
	case "caption", "td", "th":
		flags = isBlock | isCell
	case "tr":
		flags = isBlock | isRow
	case "tbody", "tfoot", "thead":
		flags = isBlock | isGroup
	default:
		return element{}, false
	}
	return element{name, flags}, true
}

// attrKind says how the value of an attribute is checked.
type attrKind uint8

const (
	attrUnknown attrKind = iota
	attrText             // any text
	attrURL              // a URL with an allowed scheme, or without one
)

// attributeNamed returns the kind of the attribute name, if it is one that a
// policy may allow, and whether it is known to be dangerous. Dangerous are
// event handlers and style, id and name (a page's scripts find them: DOM
// clobbering), and attributes that load, submit or frame.
func attributeNamed(name string) (kind attrKind, unsafe bool) {
	switch name {
	case "abbr", "align", "alt", "class", "color", "colspan", "datetime", "dir", "face", "height", "headers", "lang",
		"open", "rel", "reversed", "rowspan", "scope", "size", "span", "start", "title", "type", "valign", "value", "width":
		return attrText, false
	case "cite", "href", "longdesc", "src":
		return attrURL, false
	case "style", "id", "name", "srcdoc", "srcset", "action", "formaction", "background", "data", "ping", "poster",
		"target", "form", "is", "slot", "part", "manifest", "usemap", "xmlns":
		return attrUnknown, true
	}
	return attrUnknown, len(name) > 2 && name[:2] == "on"
}
