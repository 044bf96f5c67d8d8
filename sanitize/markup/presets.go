package markup

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

// UGC returns a policy for what users write: headings, lists, tables, images,
// code. Links get rel="nofollow", scripts and styles go with their content. There
// is no id, name, class or style, with which a text could pass for a part of the
// page. [Markdown] and [Editor] keep more of what programs write.
func UGC() *Policy { return fixed(ugc()...) }

func ugc() []Option {
	return []Option{
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
	}
}

// Markdown returns a policy for HTML that a Markdown program such as goldmark
// writes, with all that GitHub's dialect has and footnotes, definition lists and
// ids of headings: [UGC] and ids with the prefix "user-content-", text-align in
// tables, disabled checkboxes, the classes of code, footnotes and
// tasks, pictures, ruby and columns. Have that program escape raw HTML or not: it is
// cleaned like the rest.
func Markdown() *Policy {
	return fixed(append(ugc(), written("user-content-",
		AllowStyles("td", "text-align"),
		AllowStyles("th", "text-align"),
	)...)...)
}

// Editor returns a policy for HTML that people write in an editor such as TinyMCE,
// Quill or ProseMirror: what [Markdown] has, colours, fonts, sizes, alignment,
// indents and borders as bounded CSS, the classes and data attributes of those editors,
// and links in new tabs. Images in data URLs and frames of videos need
// [AllowDataImages] and [AllowFrames], since only the site knows which.
func Editor() *Policy {
	text := []string{
		"color", "background-color", "text-align", "text-decoration", "text-decoration-line", "text-transform", "text-indent",
		"font-family", "font-size", "font-style", "font-variant", "font-weight", "line-height", "letter-spacing", "vertical-align",
		"white-space", "direction", "list-style-type", "padding-left", "padding-right", "padding-inline-start", "margin-left", "margin-right",
	}
	box := []string{
		"width", "height", "min-width", "min-height", "max-width", "float", "display", "margin", "margin-top", "margin-bottom", "padding",
		"border", "border-color", "border-style", "border-width", "border-top", "border-right", "border-bottom", "border-left",
		"border-collapse", "border-spacing", "border-radius", "caption-side", "table-layout",
	}
	opts := written("user-content-",
		AllowTags("address", "article", "aside", "big", "center", "font", "footer", "header", "label", "main", "nav"),
		AllowAttrs("font", "color", "face", "size"),
		AllowAttrs("table", "align", "bgcolor", "border", "cellpadding", "cellspacing", "width"),
		AllowAttrs("td", "bgcolor", "height", "valign", "width", "data-colwidth"),
		AllowAttrs("th", "bgcolor", "height", "valign", "width", "data-colwidth"),
		AllowAttrs("tr", "align", "bgcolor", "valign"),
		AllowAttrs("ul", "type"),
		AllowAttrs("*", "data-list", "data-type", "data-checked", "data-id", "data-label", "data-language", "data-row", "data-color", "data-align"),
		AllowClasses("*", "ql-align-*", "ql-direction-*", "ql-indent-*", "ql-font-*", "ql-size-*", "ql-color-*", "ql-bg-*",
			"ql-syntax", "ql-code-block", "ql-code-block-container", "ql-token", "ql-ui", "ql-video", "ql-formula", "hljs-*",
			"mce-toc", "mce-accordion", "mce-accordion-summary", "mce-accordion-body", "mce-pagebreak", "language-*"),
		AllowClasses("figure", "image", "align-left", "align-center", "align-right", "table", "media"),
		AllowClasses("img", "align-left", "align-center", "align-right"),
		AllowClasses("span", "mention"),
		AllowStyles("*", text...),
		AllowNewTabs(),
	)
	for _, tag := range []string{"col", "colgroup", "div", "figure", "hr", "img", "table", "tbody", "td", "th", "thead", "tr", "caption"} {
		opts = append(opts, AllowStyles(tag, box...))
	}
	return fixed(append(ugc(), opts...)...)
}

// written allows what Markdown and editors both write, and then opts.
func written(idPrefix string, opts ...Option) []Option {
	return append([]Option{
		AllowTags("bdi", "bdo", "col", "colgroup", "picture", "rp", "rt", "ruby", "section", "source"),
		AllowAttrs("*", "role", "aria-hidden", "aria-label", "aria-labelledby", "aria-describedby"),
		AllowAttrs("a", "rel"),
		AllowAttrs("img", "align", "decoding", "loading", "sizes", "srcset"),
		AllowAttrs("source", "media", "sizes", "srcset", "type", "width", "height"),
		AllowAttrs("col", "span", "width"),
		AllowAttrs("colgroup", "span", "width"),
		AllowAttrs("details", "open"),
		AllowAttrs("li", "value"),
		AllowAttrs("p", "align"),
		AllowAttrs("div", "align"),
		AllowClasses("code", "language-*"),
		AllowClasses("pre", "language-*"),
		AllowClasses("a", "footnote-ref", "footnote-backref", "anchor"),
		AllowClasses("div", "footnotes"),
		AllowClasses("section", "footnotes"),
		AllowClasses("ul", "contains-task-list"),
		AllowClasses("ol", "contains-task-list"),
		AllowClasses("li", "task-list-item"),
		AllowIDs(idPrefix),
		AllowCheckboxes(),
	}, opts...)
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
