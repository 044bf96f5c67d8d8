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
	// markup: AllowTags: unsafe: "script"
	// markup: AllowAttrs: unsafe: "onclick"
	// markup: AllowSchemes: unsafe: "javascript"
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
