package markup

import (
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/ecolaura/rampart/internal/text"
)

// maxNesting bounds the open elements: a deeper start tag is dropped. Browsers
// stop at 512.
const maxNesting = 100

// Clean returns s with only what h allows: elements are balanced and nested as
// a browser will nest them, text and attributes are escaped, comments are gone,
// control characters become "?". A dropped tag of a block leaves a line break.
// Clean(Clean(s)) is Clean(s); time and output are linear in len(s). The result
// is for an element's content, not for an attribute.
func (h *Policy) Clean(s string) string {
	if isCleanText(s) && (!h.links || !mayHoldLink(s)) {
		return s
	}
	s = text.Repair(s)
	c := cleaner{Policy: h, z: html.NewTokenizer(strings.NewReader(s)), out: make([]byte, 0, len(s)+len(s)/2)}
	var attrs [128]byte // room that is enough for most input
	var stack [8]openTag
	c.attrs, c.stack = attrs[:0], stack[:0]
	read := 0
	for tt := c.z.Next(); tt != html.ErrorToken; tt = c.z.Next() {
		raw := c.z.Raw()
		read += len(raw)
		c.token(tt, raw)
		c.begun = c.begun || tt != html.DoctypeToken
	}
	if !c.inCode {
		c.out = appendText(c.out, s[read:]) // a tag that never ends
	}
	c.closeTo(0)
	c.linkify()
	return string(c.out)
}

// cleaner is one call of Clean.
type cleaner struct {
	*Policy
	z      *html.Tokenizer
	out    []byte
	attrs  []byte // of the current tag, as they are written
	stack  []openTag
	count  [128]uint8 // open elements by tagPolicy.index
	name   [16]byte   // of the current tag
	inCode bool       // the next text is a dropped script or style
	gap    bool       // a block was dropped before the next text
	begun  bool       // there was a token before
	text   int        // where in out the last text begins, for linkify
}

// An openTag is an element of the output that is not closed yet.
type openTag struct {
	*tagPolicy
	ended bool // its end tag came while a block in it was open: it ends with that
}

// token cleans one token. Comments and doctypes are dropped, but what begins
// with "</" and is no end tag is more likely a slip than a comment.
func (c *cleaner) token(tt html.TokenType, raw []byte) {
	inCode := c.inCode
	c.inCode = false
	switch tt {
	case html.TextToken:
		if !inCode {
			c.closeGap(raw[0])
			c.out = appendText(c.out, raw)
		}
	case html.StartTagToken, html.SelfClosingTagToken: // <b/> is <b>, to browsers too
		name := c.tagName(raw[1:])
		if t := c.tags[string(name)]; t != nil {
			c.inCode = t.flags&isFrame != 0 // what a browser without frames would show
			c.start(t)
			return
		}
		c.disallowed(raw, name)
		c.inCode = c.dropCode && isCode(name)
		if !c.inCode {
			c.z.NextIsNotRawText() // whatever it holds is cleaned like the rest
		}
	case html.EndTagToken:
		name := c.tagName(raw[2:])
		if t := c.tags[string(name)]; t != nil {
			c.end(t)
			return
		}
		c.disallowed(raw, name)
	case html.CommentToken:
		if len(raw) > len("</>") && raw[1] == '/' && c.tags[strings.ToLower(strings.Trim(string(raw), "</ >"))] == nil {
			c.closeGap(raw[0])
			c.out = appendText(c.out, raw)
		}
	default: // a doctype
	}
}

// tagName returns the name at the start of s in lower case; nil if it is longer
// than any that is known.
func (c *cleaner) tagName(s []byte) []byte {
	for i, b := range s {
		switch b {
		case ' ', '\t', '\n', '\r', '\f', '/', '>': // as the tokenizer sees it
			return c.name[:i]
		}
		if i == len(c.name) {
			break
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		c.name[i] = b
	}
	return nil
}

// disallowed writes or drops a tag that the policy does not allow. In place of
// a block's start tag stands a line break, as in bleach; its end leaves one if
// text follows.
func (c *cleaner) disallowed(raw, name []byte) {
	if c.escape && (!c.dropCode || !isCode(name)) {
		c.out = appendText(c.out, raw)
		return
	}
	el, _ := elementNamed(string(name))
	switch {
	case el.flags&isBlock != 0 && el.flags&isTablePart == 0 && raw[1] != '/' && !c.oneBreak && c.begun:
		c.out = append(c.out, '\n')
		c.gap = false
	case el.flags&isBlock != 0 || el.name == "br":
		c.gap = true
	}
}

func isCode(name []byte) bool { return string(name) == "script" || string(name) == "style" }

// closeGap separates what follows from the text before a dropped block, unless
// one of them has white space there.
func (c *cleaner) closeGap(next byte) {
	if n := len(c.out); c.gap && n > 0 && c.out[n-1] > ' ' && next > ' ' {
		c.out = append(c.out, '\n')
	}
	c.gap = false
}

// start writes the start tag of t, after the end tags that a browser would put
// before it. Where a browser would ignore or move the element, it is dropped.
func (c *cleaner) start(t *tagPolicy) {
	if !c.closeForTable(t) || len(c.stack) >= maxNesting || !c.inPlace(t) || !c.attributes(t) {
		return
	}
	if t.flags&isBlock != 0 {
		c.closeParagraph()
	}
	switch {
	case t.flags&isHeading != 0:
		if n := len(c.stack); n > 0 && c.stack[n-1].flags&isHeading != 0 {
			c.closeTo(n - 1)
		}
	case t.flags&(isItem|isTerm) != 0:
		c.closeItem(t.flags & (isItem | isTerm))
	case t.flags&isRubyText != 0:
		c.closeImplied()
	case t.flags&isLink != 0:
		if i := c.find(t, isCell); i >= 0 {
			c.closeTo(i)
		}
	}
	c.closeGap('<')
	c.linkify()
	c.out = append(c.out, '<')
	c.out = append(c.out, t.name...)
	c.out = append(c.out, c.attrs...)
	c.out = append(c.out, '>')
	switch {
	case t.flags&isFrame != 0:
		c.out = append(c.out, "</iframe>"...)
	case t.flags&isVoid == 0:
		c.stack = append(c.stack, openTag{tagPolicy: t})
		c.count[t.index]++
	}
	c.text = len(c.out)
}

// inPlace reports whether t may stand here. An item outside a list would end an
// item around the whole text, and leave it; so would a term or a ruby text.
func (c *cleaner) inPlace(t *tagPolicy) bool {
	holder := elementFlags(0)
	switch {
	case t.flags&isItem != 0:
		holder = isList
	case t.flags&isTerm != 0:
		holder = isTerms
	case t.flags&isRubyText != 0:
		holder = isRuby
	default:
		return true
	}
	for _, open := range slices.Backward(c.stack) {
		switch {
		case open.flags&holder != 0:
			return true
		case open.flags&isCell != 0:
			c.gap = c.gap || t.flags&isBlock != 0
			return false
		}
	}
	c.gap = c.gap || t.flags&isBlock != 0
	return false
}

// closeImplied ends what a browser ends before a ruby text.
func (c *cleaner) closeImplied() {
	n := len(c.stack)
	for n > 0 && (c.stack[n-1].flags&(isItem|isTerm|isRubyText) != 0 || c.stack[n-1].name == "p") {
		n--
	}
	c.closeTo(n)
}

// closeParagraph ends an open p, as every block does (section 13.2.6.4.7,
// "close a p element").
func (c *cleaner) closeParagraph() {
	if c.p == nil {
		return
	}
	if i := c.find(c.p, isCell|isTable); i >= 0 {
		c.closeTo(i)
	}
}

// closeItem ends an open item of the same kind, unless another list or block
// was opened in it.
func (c *cleaner) closeItem(kind elementFlags) {
	for i, t := range slices.Backward(c.stack) {
		switch {
		case t.flags&kind != 0:
			c.closeTo(i)
			return
		case t.flags&isBlock != 0 && t.name != "div" && t.name != "address" && t.name != "p":
			return
		}
	}
}

// closeForTable ends the cells, rows and groups that the start of t ends, and
// reports whether t may stand where it then is: parts of a table only in a table,
// and in a table nothing else outside its cells.
func (c *cleaner) closeForTable(t *tagPolicy) bool {
	if t.flags&(isTable|isTablePart) == 0 || t.flags&isTable != 0 && !c.inTable() {
		return !c.inTable()
	}
	ends := isCell | isColumns // what a new cell ends; a row ends rows too, and so on
	switch {
	case t.flags&isRow != 0:
		ends |= isRow
	case t.flags&isColumn != 0:
		ends = isCell | isRow | isGroup
	case t.flags&(isGroup|isColumns) != 0 || t.name == "caption":
		ends |= isRow | isGroup
	case t.flags&isTable != 0:
		ends |= isStructure
	}
	for i, open := range slices.Backward(c.stack) {
		switch f := open.flags; {
		case f&(isStructure|isCell) == 0:
		case f&ends == 0:
			c.closeTo(i + 1)
			return true
		case f&isTable != 0:
			c.closeTo(i)
			return true
		}
	}
	return false
}

// inTable reports whether the current element is a part of a table but not a cell.
func (c *cleaner) inTable() bool {
	n := len(c.stack)
	return n > 0 && c.stack[n-1].flags&isStructure != 0
}

// end writes the end tag of t and of all that was opened in it, if a browser
// would let it reach that far.
func (c *cleaner) end(t *tagPolicy) {
	switch {
	case t.flags&isVoid != 0:
	case t.flags&(isStructure|isCell) != 0:
		if i := c.find(t, isTable); i >= 0 {
			c.closeTo(i)
		}
	case t.flags&isBlock != 0:
		if i := c.find(t, isCell|isTable); i >= 0 {
			c.closeTo(i)
		}
	default:
		if i := c.find(t, isCell|isTable); i >= 0 {
			c.endInline(i)
		}
	}
}

// endInline closes the inline element at i, now or with the blocks in it. A
// link ends now: what follows it must not lead where it does.
func (c *cleaner) endInline(i int) {
	for j := i + 1; j < len(c.stack) && c.stack[i].flags&isLink == 0; j++ {
		if c.stack[j].flags&isBlock != 0 {
			c.stack[i].ended = true
			return
		}
	}
	c.closeTo(i)
}

// find returns the index of the innermost open t that no element with a barrier
// flag encloses, or -1. A heading's end tag ends any heading, a
// list's items do not end outside that list.
func (c *cleaner) find(t *tagPolicy, barrier elementFlags) int {
	if c.count[t.index] == 0 && t.flags&isHeading == 0 {
		return -1
	}
	for i, open := range slices.Backward(c.stack) {
		switch {
		case open.tagPolicy == t && !open.ended, open.flags&t.flags&isHeading != 0:
			return i
		case open.flags&barrier != 0,
			t.flags&isItem != 0 && open.flags&isList != 0:
			return -1
		}
	}
	return -1
}

// closeTo writes end tags until n elements are open, and those of elements
// that ended before.
func (c *cleaner) closeTo(n int) {
	if len(c.stack) > n {
		c.linkify()
	}
	for i := len(c.stack); i > n || i > 0 && c.stack[i-1].ended; i-- {
		t := c.stack[i-1].tagPolicy
		c.out = append(c.out, '<', '/')
		c.out = append(c.out, t.name...)
		c.out = append(c.out, '>')
		c.count[t.index]--
		c.stack = c.stack[:i-1]
		c.text = len(c.out)
	}
}
