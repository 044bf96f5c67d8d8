package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// covering shows each text in a container with a button of the page below it, and
// lists those that a click on the button would hit.
const covering = `<script>
const wrong = window.wrong = [];
for (const s of outcomes) {
  document.body.innerHTML = '<div id="in"></div><button id="below" style="display: block; width: 100%; height: 40px">Delete</button>';
  document.getElementById("in").innerHTML = s;
  const button = document.getElementById("below");
  button.scrollIntoView({ block: "end" });
  const box = button.getBoundingClientRect();
  for (const x of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    const hit = document.elementFromPoint(box.left + x * box.width, box.top + box.height / 2);
    if (hit && hit !== button && document.getElementById("in").contains(hit)) { wrong.push(s); break }
  }
}
document.body.textContent = "";
</script>`

// TestChromiumLetsNothingThatIsCleanedCoverWhatIsBelow makes texts of styles that
// are allowed, around an image that is a link.
func TestChromiumLetsNothingThatIsCleanedCoverWhatIsBelow(t *testing.T) {
	n, seed := 1000, uint64(20261201) // the same each time: what a new one finds is for make bars
	if os.Getenv("RAMPART_BARS") != "" {
		n, seed = 20_000, uint64(time.Now().UnixNano())
	}
	const link = `<a href="https://evil.example/"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" width="900" height="900" alt="x"></a>`
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	declarations := strings.Split("height: 0|height: 1px|max-height: 0|max-height: 1px|min-height: 0|width: 0|width: 100%|max-width: 100%|display: block|display: inline|display: inline-block|float: left|float: right|"+
		"margin: 0|margin-top: 0|margin-bottom: 0|padding: 0|line-height: 1|font-size: 4px|font-size: 200px|vertical-align: super|vertical-align: sub|vertical-align: top|vertical-align: bottom|"+
		"border-spacing: 0|border-collapse: collapse|table-layout: fixed|white-space: nowrap|text-indent: 0|letter-spacing: 40px|direction: rtl|float: none|clear: both|caption-side: bottom|list-style-type: none", "|")
	shapes := []string{"<div@>%s</div>", "<p@>%s</p>", "<span@>%s</span>", "<table@><tr@><td@>%s</td></tr></table>", "<table@><caption@>%s</caption><tr><td>x</td></tr></table>", "<figure@>%s</figure>", "<ul@><li@>%s</li></ul>", "<table@><tbody@><tr@><th@>%s</th></tr></tbody></table>", "<h1@>%s</h1>", "<details open@><summary@>%s</summary></details>", "<blockquote@>%s</blockquote>"}
	wide, err := richest(t).With(markup.AllowStyles("*", "height", "max-height", "min-height", "width", "min-width", "max-width", "display", "float", "clear", "margin", "margin-top", "padding", "table-layout", "border-collapse", "border-spacing", "caption-side"))
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for i := range n {
		s := link
		if rng.IntN(4) == 0 {
			s = `<a href="https://evil.example/">` + strings.Repeat("x ", 40) + "</a>"
		}
		for range 1 + rng.IntN(3) {
			shape := shapes[rng.IntN(len(shapes))]
			for strings.Contains(shape, "@") {
				var style strings.Builder
				for range rng.IntN(4) {
					style.WriteString(declarations[rng.IntN(len(declarations))] + "; ")
				}
				shape = strings.Replace(shape, "@", ` style="`+style.String()+`"`, 1)
			}
			s = strings.Replace(shape, "%s", s, 1)
		}
		outcomes = append(outcomes, []*markup.Policy{richest(t), wide}[i%2].Clean(s))
	}
	covers := `<div style="height: 0">` + link + `</div>`
	show := shown(t, map[string]string{
		"/cleaned": fmt.Sprintf("<script>const outcomes = %s</script>", script(t, outcomes)) + covering,
		"/raw":     fmt.Sprintf("<script>const outcomes = %s</script>", script(t, []string{covers})) + covering,
	})
	o := show("/cleaned")
	for _, wrong := range o.Wrong[:min(len(o.Wrong), 12)] {
		t.Error("a click on the button hits", wrong)
	}
	if len(o.Wrong) > 0 {
		t.Errorf("%d of %d texts cover what is below", len(o.Wrong), len(outcomes))
	}
	if len(show("/raw").Wrong) != 1 {
		t.Error("the test does not notice what covers")
	}
}
