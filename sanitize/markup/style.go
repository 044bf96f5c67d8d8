package markup

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/text"
)

// styleOf returns those declarations of the style attribute s that are allowed,
// written anew from what was read, so that no two parsers can differ on them.
func (t *tagPolicy) styleOf(s string) string {
	var out []byte
	escapes := false
	for n := 0; s != "" && n < maxDeclarations; {
		var declaration string
		declaration, s = cutDeclaration(s)
		name, value, ok := strings.Cut(declaration, ":")
		name = text.LowerASCII(strings.Trim(name, cssSpace))
		allowed := t.styles[name]
		if !ok || allowed == nil {
			continue
		}
		words, ok := readCSS(value)
		if !ok || !allowed(words) && !isInherited(words) {
			continue
		}
		if n++; n > 1 {
			out = append(out, "; "...)
		}
		out = append(out, name...)
		out = appendCSS(append(out, ':'), words)
		escapes = escapes || t.contentEscapes(name)
	}
	if escapes {
		out = append(out, "; contain: paint"...)
	}
	return string(out)
}

// contentEscapes reports whether t's content can leave its box by the property, and
// show over what is below or beside it, where a click would hit it: a box that is
// lower than its content, and one that floats beside what follows. Tables and their
// parts are as high as their content, unless they are displayed as something else.
func (t *tagPolicy) contentEscapes(property string) bool {
	isPart := t.flags&(isTable|isTablePart) != 0 && t.name != "caption"
	switch property {
	case "float", "max-height":
		return t.flags&isVoid == 0
	case "height":
		return t.flags&isVoid == 0 && !isPart
	case "display":
		return isPart
	}
	return false
}

// maxDeclarations bounds those of an element: what comes after so many goes.
const maxDeclarations = 64

const cssSpace = " \t\n\r\f"

// cutDeclaration cuts s at the first semicolon that is not in quotes.
func cutDeclaration(s string) (declaration, rest string) {
	quote := byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote == 0 && c == ';':
			return s[:i], s[i+1:]
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return s, ""
}

// A cssWord is a token of a value.
type cssWord struct {
	kind byte    // 'a' a name, '0' a number, '#' a colour, '"' a text, '(' a function; ')', ',' and '/' are themselves
	text string  // in lower case, but for a text; of a number its unit
	num  float64 // of a number
}

// maxCSSWords bounds a value: ten fonts of three words each, or a border.
const maxCSSWords = 40

// readCSS splits a value into words. It reports false for whatever could be
// anything else than names, numbers, colours, strings and functions of them: there
// are no escapes, comments, blocks, priorities or URLs.
func readCSS(s string) (words []cssWord, ok bool) {
	for s = strings.TrimLeft(s, cssSpace); s != ""; s = strings.TrimLeft(s, cssSpace) {
		w := cssWord{kind: s[0]}
		n := 1
		switch c := s[0]; {
		case c == ',' || c == '/' || c == ')':
		case c == '"' || c == '\'':
			n = strings.IndexByte(s[1:], c) + 2
			if n < 2 {
				return nil, false
			}
			w.kind, w.text = '"', s[1:n-1]
			if strings.ContainsFunc(w.text, func(r rune) bool { return r != ' ' && !isCSSName(r) && r != '.' && r != '+' }) {
				return nil, false
			}
		case c == '#':
			n += nameLen(s[1:])
			w.text = text.LowerASCII(s[1:n])
		case '0' <= c && c <= '9' || (c == '.' || c == '-') && len(s) > 1 && ('0' <= s[1] && s[1] <= '9' || s[1] == '.'):
			digits := 1
			for digits < len(s) && ('0' <= s[digits] && s[digits] <= '9' || s[digits] == '.') {
				digits++
			}
			var err error
			if w.num, err = strconv.ParseFloat(s[:digits], 64); err != nil || digits > 24 {
				return nil, false
			}
			n = digits
			if n < len(s) && s[n] == '%' {
				n++
			} else {
				n += nameLen(s[n:])
			}
			w.kind, w.text = '0', text.LowerASCII(s[digits:n])
		default:
			if n = nameLen(s); n == 0 {
				return nil, false
			}
			w.kind, w.text = 'a', text.LowerASCII(s[:n])
			if n < len(s) && s[n] == '(' {
				w.kind = '('
				n++
			}
		}
		words, s = append(words, w), s[n:]
		if len(words) > maxCSSWords {
			return nil, false
		}
	}
	return words, len(words) > 0
}

// isCSSName reports whether r may stand in a name.
func isCSSName(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || unicode.IsLetter(r) || unicode.IsMark(r)
}

// nameLen returns the length of the name at the start of s.
func nameLen(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !isCSSName(r) || r == utf8.RuneError })
	if n < 0 {
		return len(s)
	}
	return n
}

// appendCSS writes words with single spaces. Strings get single quotes, which
// they do not hold.
func appendCSS(out []byte, words []cssWord) []byte {
	inner := true // no space is needed after a "(", and one is before all else but "," and ")"
	for i, w := range words {
		if i == 0 || !inner && w.kind != ',' && w.kind != ')' {
			out = append(out, ' ')
		}
		inner = false
		switch w.kind {
		case '"':
			out = append(append(append(out, '\''), w.text...), '\'')
		case '0':
			out = append(strconv.AppendFloat(out, w.num, 'f', -1, 64), w.text...)
		case '#':
			out = append(append(out, '#'), w.text...)
		case 'a':
			out = append(out, w.text...)
		case '(':
			out = append(append(out, w.text...), '(')
			inner = true
		default:
			out = append(out, w.kind)
		}
	}
	return out
}

// A grammar reports whether a property may have a value.
type grammar func(words []cssWord) bool

// propertyNamed returns the grammar of a CSS property that a policy may allow; nil
// for all others. Every one is bounded, and none loads something, places the
// element or lets it cover what is around it.
func propertyNamed(name string) grammar {
	switch name {
	case "border-color":
		return every(4, isColour)
	case "color", "background-color", "border-top-color", "border-right-color", "border-bottom-color",
		"border-left-color", "text-decoration-color":
		return every(1, isColour)
	case "text-align":
		return oneOf("left right center justify start end")
	case "vertical-align":
		return oneOf("baseline top middle bottom text-top text-bottom sub super")
	case "text-decoration", "text-decoration-line":
		return every(3, isOneOf("none underline overline line-through"))
	case "text-transform":
		return oneOf("none capitalize uppercase lowercase")
	case "font-style":
		return oneOf("normal italic oblique")
	case "font-variant":
		return oneOf("normal small-caps")
	case "font-weight":
		return every(1, either(isOneOf("normal bold bolder lighter"), isNumber(1, 1000)))
	case "font-family":
		return isFontList
	case "font-size":
		return every(1, either(isOneOf("xx-small x-small small medium large x-large xx-large xxx-large smaller larger"), isLength(4, 200, 400)))
	case "line-height": // only as a factor: a length would also be that of larger text in it
		return every(1, either(isOneOf("normal"), isNumber(1, 4)))
	case "letter-spacing", "word-spacing":
		return every(1, either(isOneOf("normal"), isLength(0, 40, 0)))
	case "white-space":
		return oneOf("normal nowrap pre pre-wrap pre-line break-spaces")
	case "direction":
		return oneOf("ltr rtl")
	case "list-style-type":
		return oneOf("none disc circle square decimal decimal-leading-zero lower-alpha upper-alpha lower-latin upper-latin lower-roman upper-roman lower-greek")
	case "text-indent", "padding-left", "padding-right", "padding-top", "padding-bottom", "padding-inline-start", "padding-inline-end":
		return every(1, isLength(0, 400, 50))
	case "padding":
		return every(4, isLength(0, 400, 50))
	case "margin-left", "margin-right", "margin-top", "margin-bottom", "margin-inline-start", "margin-inline-end":
		return every(1, either(isOneOf("auto"), isLength(0, 400, 50)))
	case "margin":
		return every(4, either(isOneOf("auto"), isLength(0, 400, 50)))
	case "width", "height", "min-width", "min-height", "max-width", "max-height":
		return every(1, either(isOneOf("auto none"), isLength(0, 4000, 100)))
	case "float":
		return oneOf("none left right")
	case "clear":
		return oneOf("none left right both")
	case "display":
		return oneOf("block inline inline-block")
	case "border", "border-top", "border-right", "border-bottom", "border-left":
		return every(3, either(either(isOneOf(borderStyles), isLength(0, 20, 0)), isColour))
	case "border-width", "border-top-width", "border-right-width", "border-bottom-width", "border-left-width":
		return every(4, either(isOneOf("thin medium thick"), isLength(0, 20, 0)))
	case "border-style", "border-top-style", "border-right-style", "border-bottom-style", "border-left-style":
		return every(4, isOneOf(borderStyles))
	case "border-radius":
		return every(4, isLength(0, 200, 50))
	case "border-collapse":
		return oneOf("collapse separate")
	case "border-spacing":
		return every(2, isLength(0, 40, 0))
	case "caption-side":
		return oneOf("top bottom")
	case "table-layout":
		return oneOf("auto fixed")
	}
	return nil
}

const borderStyles = "none hidden dotted dashed solid double groove ridge inset outset"

// isUnsafeProperty tells properties that no policy can allow from misspelt ones.
func isUnsafeProperty(name string) bool {
	start, _, _ := strings.Cut(strings.TrimLeft(name, "-"), "-")
	switch start {
	case "position", "z", "top", "right", "bottom", "left", "inset", "transform", "translate", "scale", "rotate", "perspective", "opacity", "visibility",
		"overflow", "clip", "mask", "filter", "backdrop", "mix", "content", "background", "list", "cursor", "pointer", "animation", "transition",
		"behavior", "moz", "expression", "all", "src", "offset", "shape", "zoom", "anchor", "view", "contain", "container", "counter", "quotes", "image", "object":
		return true
	}
	return false
}

// A part returns how many of words, from the first on, are of a kind; 0 if none.
type part func(words []cssWord) int

// every is the grammar of up to most parts, one behind the other.
func every(most int, p part) grammar {
	return func(words []cssWord) bool {
		for range most {
			n := p(words)
			if n == 0 {
				return false
			}
			if words = words[n:]; len(words) == 0 {
				return true
			}
		}
		return false
	}
}

func either(a, b part) part {
	return func(words []cssWord) int { return max(a(words), b(words)) }
}

func isOneOf(list string) part {
	list = " " + list + " "
	return func(words []cssWord) int {
		if words[0].kind == 'a' && strings.Contains(list, " "+words[0].text+" ") {
			return 1
		}
		return 0
	}
}

func oneOf(list string) grammar { return every(1, isOneOf(list)) }

// isInherited reports whether words are one that every property may have.
func isInherited(words []cssWord) bool {
	return len(words) == 1 && isOneOf("inherit initial")(words) == 1
}

func isNumber(least, most float64) part {
	return func(words []cssWord) int {
		if w := words[0]; w.kind == '0' && w.text == "" && least <= w.num && w.num <= most {
			return 1
		}
		return 0
	}
}

// isLength is a length of least to most pixels or up to mostPercent. Lengths that depend on
// the font count as for one of 16 pixels.
func isLength(least, most, mostPercent float64) part {
	return func(words []cssWord) int {
		w := words[0]
		if w.kind != '0' {
			return 0
		}
		pixels := 0.0
		switch w.text {
		case "":
			if w.num != 0 {
				return 0
			}
		case "%":
			if w.num < 0 || w.num > mostPercent {
				return 0
			}
			return 1
		case "px":
			pixels = 1
		case "pt":
			pixels = 4. / 3
		case "pc", "em", "rem":
			pixels = 16
		case "ex", "ch":
			pixels = 8
		case "in":
			pixels = 96
		case "cm":
			pixels = 96 / 2.54
		case "mm":
			pixels = 96 / 25.4
		default:
			return 0
		}
		if pixels *= w.num; pixels < least || pixels > most {
			return 0
		}
		return 1
	}
}

// isColour is a colour: #rgb, a name, or rgb() or hsl() of numbers.
func isColour(words []cssWord) int {
	switch w := words[0]; w.kind {
	case 'a':
		if isColourName(w.text) {
			return 1
		}
	case '#':
		if n := len(w.text); (n == 3 || n == 4 || n == 6 || n == 8) && strings.Trim(w.text, "0123456789abcdef") == "" {
			return 1
		}
	case '(':
		if w.text != "rgb" && w.text != "rgba" && w.text != "hsl" && w.text != "hsla" {
			return 0
		}
		numbers := 0
		for i, w := range words[1:] {
			switch {
			case w.kind == '0' && (w.text == "" || w.text == "%" || w.text == "deg") && numbers < 4:
				numbers++
			case w.kind == ')' && numbers >= 3:
				return i + 2
			case (w.kind != ',' && w.kind != '/') || words[i].kind != '0': // a comma stands behind a number
				return 0
			}
		}
	}
	return 0
}

// isFontList is a list of font names, in quotes or not.
func isFontList(words []cssWord) bool {
	comma := true // a name must follow
	for i, w := range words {
		switch {
		case w.kind == 'a', w.kind == '"' && comma:
			comma = false
		case w.kind == ',' && !comma:
			comma = true
		default:
			return false
		}
		if w.kind == 'a' && i > 0 && words[i-1].kind == '"' {
			return false
		}
	}
	return !comma
}

// isColourName reports whether s is a named colour (CSS Color 4, section 6.1).
func isColourName(s string) bool { return strings.Contains(colourNames, " "+s+" ") }

const colourNames = " transparent currentcolor aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown " +
	"burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray darkgreen " +
	"darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray " +
	"darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia " +
	"gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush " +
	"lawngreen lemonchiffon lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon " +
	"lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime limegreen linen magenta maroon " +
	"mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen mediumturquoise " +
	"mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab orange orangered orchid " +
	"palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum powderblue purple rebeccapurple red rosybrown " +
	"royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue slateblue slategray slategrey snow springgreen " +
	"steelblue tan teal thistle tomato turquoise violet wheat white whitesmoke yellow yellowgreen "
