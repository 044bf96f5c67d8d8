package markup

// An element is what the cleaner knows about an HTML element: how a browser's
// parser (HTML Living Standard, section 13.2.6) treats it, so that the output
// means to the browser what the cleaner took it for.
type element struct {
	name  string
	flags elementFlags
}

type elementFlags uint32

const (
	isVoid     elementFlags = 1 << iota // has no end tag
	isBlock                             // closes an open p, and an inline end tag does not reach through it
	isHeading                           // closes an open heading
	isItem                              // li: closes an open li
	isTerm                              // dt, dd: close each other
	isTable                             // table
	isCell                              // td, th, caption: begins a scope of its own
	isRow                               // tr
	isGroup                             // thead, tbody, tfoot
	isLink                              // a: closes an open a
	isList                              // ul, ol: only in it may an li stand
	isTerms                             // dl: only in it may dt and dd stand
	isColumns                           // colgroup
	isColumn                            // col
	isRuby                              // ruby: only in it may rt and rp stand
	isRubyText                          // rt, rp: end each other
	isFrame                             // iframe, of which only AllowFrames makes use
	isInput                             // input, of which only AllowCheckboxes makes use

	isStructure = isTable | isGroup | isRow | isColumns // what holds no text of its own
	isTablePart = isCell | isRow | isGroup | isColumns | isColumn
)

// elementNamed returns the element name, if it is one that a policy may allow.
// The list is closed: an element that is not in it runs code (script, object),
// changes the parser's state (style, textarea, noscript, svg, math, template,
// plaintext, select), sends or asks for data (form, button), or is not known well
// enough. For iframe and input there are options of their own.
func elementNamed(name string) (element, bool) {
	var flags elementFlags
	switch name {
	case "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
		"kbd", "label", "mark", "picture", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var":
	case "a":
		flags = isLink
	case "br", "img", "source", "wbr":
		flags = isVoid
	case "hr":
		flags = isVoid | isBlock
	case "address", "article", "aside", "blockquote", "center", "details", "div", "figcaption", "figure", "footer",
		"header", "main", "nav", "p", "pre", "section", "summary":
		flags = isBlock
	case "ol", "ul":
		flags = isBlock | isList
	case "dl":
		flags = isBlock | isTerms
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
	case "colgroup":
		flags = isBlock | isColumns
	case "col":
		flags = isVoid | isBlock | isColumn
	case "ruby":
		flags = isRuby
	case "rp", "rt":
		flags = isRubyText
	default:
		return element{}, false
	}
	return element{name, flags}, true
}
