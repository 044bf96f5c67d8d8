package markup_test

import (
	"fmt"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func ExampleNew() {
	_, err := markup.New(
		markup.AllowTags("p", "a", "script"),
		markup.AllowAttrs("a", "href", "onclick"),
		markup.AllowSchemes("https", "javascript"),
	)
	fmt.Println(err)
	// Output:
	// markup.AllowTags.names: unsafe "script": this element can run code or changes how the rest is read; no policy can allow it
	// markup.AllowAttrs.names: unsafe "onclick": this attribute can run code or pass for a part of the page; no policy can allow it
	// markup.AllowSchemes.schemes: unsafe "javascript": a URL of this scheme runs code or carries its own document; no policy can allow it
}

func ExamplePolicy_Clean() {
	ugc := markup.UGC()
	fmt.Println(ugc.Clean(`<b>bold <i>both</b> <a href="java&#10;script:steal()">link</a>`))
	// Output: <b>bold <i>both</i></b> <a>link</a>
}

func ExampleLinkify() {
	comments, err := markup.Basic().With(markup.Linkify("code"), markup.LinkifyEmails())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(comments.Clean("See example.com/faq, or write to help@example.com; not <code>localhost</code> or a.zip."))
	// Output: See <a href="http://example.com/faq" rel="nofollow">example.com/faq</a>, or write to <a href="mailto:help@example.com">help@example.com</a>; not <code>localhost</code> or a.zip.
}
