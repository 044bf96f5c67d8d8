package markup_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func TestOptionsRefuseWhatIsUnsafe(t *testing.T) {
	p := markup.AllowTags("p")
	tests := []struct {
		desc string
		opt  markup.Option
		want []string
	}{
		{"classes need a name", markup.AllowClasses("p", "*", "a b", "", "a*b", "é"), []string{"patterns: too_wide: *", "patterns: invalid: a b", "patterns: invalid: ", "patterns: invalid: a*b", "patterns: invalid: é"}},
		{"classes need a tag that is allowed, and patterns", markup.AllowClasses("i"), []string{"tag: unknown: i"}},
		{"no classes are a mistake", markup.AllowClasses("p"), []string{"patterns: missing: "}},
		{"an id's prefix ends with a dash", markup.AllowIDs("user"), []string{"prefix: invalid: user"}},
		{"an id's prefix is not empty", markup.AllowIDs(""), []string{"prefix: invalid: "}},
		{"an id's prefix is more than a dash", markup.AllowIDs("-"), []string{"prefix: invalid: -"}},
		{"an id's prefix begins with a letter", markup.AllowIDs("1-"), []string{"prefix: invalid: 1-"}},
		{"an id's prefix is short", markup.AllowIDs(strings.Repeat("a", 32) + "-"), []string{"prefix: invalid: " + strings.Repeat("a", 32) + "-"}},
		{"an id's prefix has no spaces", markup.AllowIDs("a b-"), []string{"prefix: invalid: a b-"}},
		{"CSS that places, loads or hides", markup.AllowStyles("p", "position", "z-index", "background", "background-image", "transform", "-moz-binding", "colour", "Color", "display"), []string{
			"properties: unsafe: position", "properties: unsafe: z-index", "properties: unsafe: background", "properties: unsafe: background-image",
			"properties: unsafe: transform", "properties: unsafe: -moz-binding", "properties: unknown: colour", "properties: unknown: Color",
		}},
		{"CSS needs properties", markup.AllowStyles("p"), []string{"properties: missing: "}},
		{"CSS needs a tag", markup.AllowStyles("i", "color"), []string{"tag: unknown: i"}},
		{"images that are documents", markup.AllowDataImages(0, "image/svg+xml", "image/bmp", "image/png"), []string{"maxBytes: invalid: 0", "types: unsafe: image/svg+xml", "types: unknown: image/bmp"}},
		{"images need a type and have a bound", markup.AllowDataImages(1<<24 + 1), []string{"maxBytes: invalid: 16777217", "types: missing: "}},
		{"frames need public hosts", markup.AllowFrames("*.example.com", "https://example.com", "localhost", "example.com:443", "Example.com", "10.0.0.1", "example.com/x"), []string{
			"hosts: invalid: *.example.com", "hosts: invalid: https://example.com", "hosts: invalid: localhost", "hosts: invalid: example.com:443", "hosts: invalid: Example.com",
			"hosts: invalid: 10.0.0.1", "hosts: invalid: example.com/x",
		}},
		{"frames need hosts", markup.AllowFrames(), []string{"hosts: missing: "}},
		{"a function that is nil", markup.RewriteURLs(nil), []string{"f: missing: "}},
		{"attributes that have an option, or obey a library", markup.AllowAttrs("p", "id", "style", "target", "data-hx-get", "data-controller", "data-my-target", "data-target", "data-X", "data-", "data--x", "aria-", "sandbox"), []string{
			"names: unsafe: id", "names: unsafe: style", "names: unsafe: target", "names: unsafe: data-hx-get", "names: unsafe: data-controller", "names: unsafe: data-my-target",
			"names: unsafe: data-target", "names: unknown: data-X", "names: unknown: data-", "names: unknown: data--x", "names: unknown: aria-", "names: unsafe: sandbox",
		}},
		{"inputs and frames have options of their own", markup.AllowTags("input", "iframe"), []string{"names: unsafe: input", "names: unsafe: iframe"}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := markup.New(p, tt.opt)
			assert.Equal(t, tt.want, mistakes(err))
		})
	}
	_, err := markup.Markdown().With(markup.AllowIDs("other-"), markup.AllowStyles("p", "position"))
	assert.Equal(t, []string{"prefix: conflict: other-", "properties: unsafe: position"}, mistakes(err), "all at once")
	_, err = policy(t, markup.UGC(), markup.RewriteURLs(proxy)).With(markup.RewriteURLs(proxy))
	assert.Equal(t, []string{"f: duplicate: "}, mistakes(err))
}

const gif = "R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs="

func TestRichPolicies(t *testing.T) {
	anyData := policy(t, rich(t), markup.AllowAttrs("*", "data-*", "aria-*"))
	proxied := policy(t, rich(t), markup.RewriteURLs(proxy), markup.Linkify(), markup.LinkifyEmails())
	all := policy(t, markup.UGC(), markup.AllowAttrs("a", "rel"), markup.AllowNewTabs())
	author := policy(t, new(markup.Policy), markup.AllowNewTabs(), markup.AllowAttrs("a", "rel"))
	const sandbox = ` sandbox="allow-scripts allow-same-origin allow-presentation" referrerpolicy="strict-origin-when-cross-origin"></iframe>`
	tests := []struct {
		desc   string
		policy *markup.Policy
		in     string
		want   string
	}{
		{"classes by pattern", rich(t), `<p class="ql-align-center modal  ql-align- QL-align-x language-a.b language-c fixed">x`, `<p class="ql-align-center language-c">x</p>`},
		{"no class is left", rich(t), `<p class="modal">x`, "<p>x</p>"},
		{"ids get the prefix once", rich(t), `<p id="x">1</p><p id="user-content-x">2</p><p id="a b">3</p><p id="">4</p>`, `<p id="user-content-x">1</p><p id="user-content-x">2</p><p>3</p><p>4</p>`},
		{"ids that clobber", rich(t), `<a id="location" name="forms" href="javascript:x">x</a>`, `<a id="user-content-location">x</a>`},
		{"an id that is too long", rich(t), `<p id="` + strings.Repeat("a", 257) + `">x`, "<p>x</p>"},
		{"fragments follow their ids", rich(t), `<a href="#x">1</a><a href="#user-content-x">2</a><a href="#">3</a><a href="#TOP">4</a><a href="/#x">5</a>`, `<a href="#user-content-x" rel="nofollow">1</a><a href="#user-content-x" rel="nofollow">2</a><a href="#" rel="nofollow">3</a><a href="#TOP" rel="nofollow">4</a><a href="/#x" rel="nofollow">5</a>`},
		{"references follow their ids", rich(t), `<p aria-labelledby=" a  user-content-b " aria-describedby="">x`, `<p aria-labelledby="user-content-a user-content-b">x</p>`},
		{"references stay where there are no ids", policy(t, markup.UGC(), markup.AllowAttrs("td", "headers")), `<table><tr><td headers="a b">x`, `<table><tr><td headers="a b">x</td></tr></table>`},
		{"roles and labels", rich(t), `<p role="note" aria-label="A note" aria-hidden="true" aria-live="polite">x`, `<p role="note" aria-label="A note" aria-hidden="true">x</p>`},
		{"data attributes by name", rich(t), `<li><ul><li data-list="bullet" data-x="1" data-list-x=2>x`, `<ul><li data-list="bullet">x</li></ul>`},
		{"any data attribute but those that libraries obey", anyData, `<p data-foo-1="a" data-hx-get="/x" data-controller="y" data-x-on:click="z" data-my-action="a" data-*="b" data-é="c" data-"="d" aria-live="polite" aria-controls="x" aria-é="e">x`, `<p data-foo-1="a" aria-live="polite" aria-controls="user-content-x">x</p>`},
		{"a data image", rich(t), `<img src="data:image/gif;base64,` + gif + `">`, `<img src="data:image/gif;base64,` + gif + `">`},
		{"a data image of another type than it says", rich(t), `<img src="data:image/png;base64,` + gif + `">`, "<img>"},
		{"a data image of a type that is not allowed", policy(t, markup.UGC(), markup.AllowDataImages(100, "image/png")), `<img src="data:image/gif;base64,` + gif + `">`, "<img>"},
		{"a data image where none are allowed", markup.Editor(), `<img src="data:image/gif;base64,` + gif + `">`, "<img>"},
		{"a data image that is too large", policy(t, markup.UGC(), markup.AllowDataImages(34, "image/gif")), `<img src="data:image/gif;base64,` + gif + `">`, "<img>"},
		{"a data image of just the size", policy(t, markup.UGC(), markup.AllowDataImages(35, "image/gif")), `<img src="data:image/gif;base64,` + gif + `">`, `<img src="data:image/gif;base64,` + gif + `">`},
		{"malformed base64", rich(t), `<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADt=">`, "<img>"},
		{"SVG and parameters", rich(t), `<img src="data:image/svg+xml;base64,PHN2Zz4="><img src="data:image/gif;x=y;base64,` + gif + `"><img src="data:text/html,x">`, "<img><img><img>"},
		{"a data URL is an image's only", rich(t), `<a href="data:image/gif;base64,` + gif + `">x</a><img srcset="data:image/gif;base64,` + gif + ` 1x">`, "<a>x</a><img>"},
		{"a frame of a named host", rich(t), `<iframe src="HTTPS://www.YouTube-nocookie.com/embed/x?y#z" width="1" sandbox="allow-top-navigation" allow="camera" srcdoc="<script>" name="x" onload="y" allowfullscreen><b>no frames</b></iframe>x`, `<iframe src="HTTPS://www.YouTube-nocookie.com/embed/x?y#z" width="1" allowfullscreen=""` + sandbox + "x"},
		{"frames of others", rich(t), `<iframe src="https://evil.example/"></iframe><iframe src="//www.youtube-nocookie.com/"></iframe><iframe src="http://www.youtube-nocookie.com/"></iframe><iframe src="https://www.youtube-nocookie.com:444/"></iframe><iframe src="https://www.youtube-nocookie.com@evil.example/"></iframe><iframe src="https://www.youtube-nocookie.com\@evil.example/"></iframe><iframe src="https:/www.youtube-nocookie.com/"></iframe><iframe src="javascript:x"></iframe><iframe src="/x"></iframe><iframe srcdoc="x"></iframe><iframe cite="x"></iframe><iframe src="data:image/gif;base64,` + gif + `"></iframe>x`, "x"},
		{"a frame's src stays so, whatever else is allowed", policy(t, rich(t), markup.AllowAttrs("*", "src", "cite"), markup.AllowAttrs("iframe", "src")), `<iframe src="https://evil.example/"></iframe><iframe cite="/x"></iframe>x`, "x"},
		{"a frame that never ends takes the rest", rich(t), `a<iframe src="https://www.youtube-nocookie.com/"><b>x`, `a<iframe src="https://www.youtube-nocookie.com/"` + sandbox},
		{"a frame in a table but not in a cell", rich(t), `<table><iframe src="https://www.youtube-nocookie.com/"><b>x</b></iframe><tr><td>y`, "<table><tr><td>y</td></tr></table>"},
		{"a link in a new tab", rich(t), `<a target="_BLANK" href="/x">1</a><a target="top" href="/x">2</a><a target="_blank">3</a><a target="_blank" href="mailto:a@x.com">4</a>`, `<a href="/x" target="_blank" rel="nofollow noopener">1</a><a href="/x" rel="nofollow">2</a><a>3</a><a href="mailto:a@x.com" target="_blank" rel="noopener">4</a>`},
		{"the author's rel is not the policy's", all, `<a rel="opener me" target="_blank" href="/x">1</a><a rel="me" href="/x">2</a>`, `<a href="/x" target="_blank" rel="nofollow noopener">1</a><a href="/x" rel="nofollow">2</a>`},
		{"the author's rel, where the policy has none", author, `<a rel="me Opener NoOpener" target="_blank" href="/x">1</a><a rel="opener" href="/x">2</a>`, `<a href="/x" target="_blank" rel="me noopener">1</a><a href="/x" rel="opener">2</a>`},
		{"the author's rel stays in its place", policy(t, markup.Basic(), markup.AllowAttrs("a", "rel")), `<a rel="me" href="/x">1</a>`, `<a rel="me" href="/x">1</a>`},
		{"a frame's URL that is too long", rich(t), `<iframe src="https://www.youtube-nocookie.com/` + strings.Repeat("a", 1<<15) + `"></iframe>x`, "x"},
		{"a width is whole", rich(t), `<img srcset="a 1.5w, b 15w">`, `<img srcset="b 15w">`},
		{"srcset", rich(t), `<img srcset=" ,a.png 1x, b,c.png 640w ,,d.png, javascript:x 1.5x, /e.png 1.5x,f.png 1h, g.png (x, h.png 2x, i.png 1w 2w,j.png x,k.png 1.1234x, l.png 1234567w" sizes="100vw" loading="lazy" decoding="async">`, `<img srcset="a.png 1x, b,c.png 640w, d.png, /e.png 1.5x, h.png 2x" sizes="100vw" loading="lazy" decoding="async">`},
		{"pictures", rich(t), `<picture><source media="(min-width: 1px)" type="image/webp" src="x" srcset="a.webp 2x, data:x 3x"><img src="a.png"></picture>`, `<picture><source media="(min-width: 1px)" type="image/webp" srcset="a.webp 2x"><img src="a.png"></picture>`},
		{"checkboxes of a list of tasks", rich(t), `<ul><li><input CHECKED type=Checkbox onclick=x name=y> 1<li><input type="text"><input><input type=image src=x> 2`, `<ul><li><input type="checkbox" disabled="" checked=""> 1</li><li> 2</li></ul>`},
		{"ruby", rich(t), "<ruby>a<rp>(<rt>b<rp>)</rp>c<rt><p>d<rt>e</ruby><rt>f<ruby><table><tr><td><rt>g", "<ruby>a<rp>(</rp><rt>b</rt><rp>)</rp>c<rt><p>d</p></rt><rt>e</rt></ruby>f<ruby><table><tr><td>g</td></tr></table></ruby>"},
		{"columns", rich(t), "<table><caption>0<col span=2><colgroup span=3><col><tr><td>1<col><colgroup><tbody><tr><td>2</table><col><colgroup>3", `<table><caption>0</caption><col span="2"><colgroup span="3"><col></colgroup><tr><td>1</td></tr><col><colgroup></colgroup><tbody><tr><td>2</td></tr></tbody></table>3`},
		{"text in a column's group stays text", rich(t), "<table><colgroup><p>x<b>y</colgroup><tr><td>z", "<table><colgroup>xy</colgroup><tr><td>z</td></tr></table>"},
		{"direction", rich(t), `<bdo dir="rtl">x</bdo><bdi>y</bdi>`, `<bdo dir="rtl">x</bdo><bdi>y</bdi>`},
		{"a bare item is dropped", rich(t), "<li>a</li><li>b</li><dd>c<dt>d<ul><dd>e<li>f</ul><dl><li>g<dt>h", "a\nb\nc\nd<ul>\ne<li>f</li></ul><dl>\ng<dt>h</dt></dl>"},
		{"an item in a list's cell is bare", rich(t), "<ul><li><table><tr><td><li>x", "<ul><li><table><tr><td>\nx</td></tr></table></li></ul>"},
		{"an item in a block of a list is not", rich(t), "<ul><blockquote><li>x", "<ul><blockquote><li>x</li></blockquote></ul>"},
		{"a function's URL", proxied, `<img src="http://x.com/a?b" srcset="//x.com/c 2x"><a href="https://evil.example/">1</a><a href="\\evil.example\x">2</a><a href="https:\\x.com\y?\z">3</a>`, `<img src="https://images.example/?u=http%3A%2F%2Fx.com%2Fa%3Fb" srcset="https://images.example/?u=%2F%2Fx.com%2Fc 2x"><a>1</a><a>2</a><a href="https://x.com/y?\z" rel="nofollow">3</a>`},
		{"URLs whose host is not the same to all", proxied, `<a href="https:/evil.example">1</a><a href="https:evil.example">2</a><a href="///evil.example">3</a><a href="/\/evil.example">4</a><a href="https:///evil.example">5</a><a href="mailto:a\b@x.com">6</a>`, `<a>1</a><a>2</a><a>3</a><a>4</a><a>5</a><a href="mailto:a\b@x.com">6</a>`},
		{"a function judges links that are made of text", proxied, "evil.example/x https://evil.example/x x.com a@x.com", `evil.example/x https://evil.example/x <a href="http://x.com" rel="nofollow">x.com</a> <a href="mailto:a@x.com">a@x.com</a>`},
		{"a URL that is too long", rich(t), `<a href="/` + strings.Repeat("a", 1<<15) + `">x</a>`, "<a>x</a>"},
		{"a link that would be too long stays text", policy(t, markup.UGC(), markup.Linkify()), "x.com/" + strings.Repeat("a", 1<<15), "x.com/" + strings.Repeat("a", 1<<15)},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got := tt.policy.Clean(tt.in)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, got, tt.policy.Clean(got), "idempotent")
		})
	}
}

func TestStyles(t *testing.T) {
	h := rich(t)
	for in, want := range map[string]string{
		"COLOR : Red ;; text-align:center": "color: red; text-align: center",
		"color: #FFF; color: #ffff; color: #ff0000; color: #ffff0080; color: #ff; color: #fffff; color: #ggg":                                                                "color: #fff; color: #ffff; color: #ff0000; color: #ffff0080",
		"color: rgb(230,0,0); color: rgba(0 0 0 / 50%); color: hsl(120deg, 50%, 50%)":                                                                                        "color: rgb(230, 0, 0); color: rgba(0 0 0 / 50%); color: hsl(120deg, 50%, 50%)",
		"color: rgb(1,2); color: rgb(1,2,3,4,5); color: rgb(,1,2,3); color: rgb(1,2,3; color: rgb(1px,2,3); color: var(--x); color: rgb(var(--x),1,2); color: rgb(1,,2,3)":   "",
		"color: reddish; color: red green; color: red !important; color: r\\65 d; color: /**/red; color: 1; color; color:; :red":                                             "",
		"color: inherit; width: initial; color: unset; color: inherit inherit":                                                                                               "color: inherit",
		"position: fixed; z-index: 9; top: 0; background: url(x); background-color: url(x); content: 'x'; opacity: 0":                                                        "",
		"width: expression(alert(1)); behavior: url(x); -moz-binding: url(x); color: url(javascript:x)":                                                                      "",
		`font-family: "Comic Sans MS", Arial Black, sans-serif; font-family: '宋体', serif`:                                                                                    "font-family: 'Comic Sans MS', arial black, sans-serif; font-family: '宋体', serif",
		`font-family: "a;color:red"; font-family: "a\"; font-family: a,; font-family: ,a; font-family: "a" b; font-family: "a" "b"; font-family: url(x); font-family: "<x>"`: "",
		`font-family: "a;b:c`: "",
		"font-size: 14pt; font-size: 3px; font-size: 201px; font-size: 150%; font-size: 401%; font-size: 2em; font-size: 13em; font-size: 1e3px; font-size: 10vw; font-size: large; font-size: calc(1px)":   "font-size: 14pt; font-size: 150%; font-size: 2em; font-size: large",
		"font-size: 1in; font-size: 1cm; font-size: 10mm; font-size: 1pc; font-size: 2ex; font-size: 2ch; font-size: 1rem":                                                                                  "font-size: 1in; font-size: 1cm; font-size: 10mm; font-size: 1pc; font-size: 2ex; font-size: 2ch; font-size: 1rem",
		"font-size: 3in; font-size: 6cm; font-size: 60mm; font-size: 13pc; font-size: 26ex; font-size: 26ch; font-size: 151pt":                                                                              "",
		"line-height: 1.5; line-height: .5; line-height: 4.5; line-height: 20px; line-height: 150%; line-height: normal":                                                                                    "line-height: 1.5; line-height: normal",
		"padding-left: 40px; padding-left: -1px; padding-left: 401px; padding-left: 0; padding-left: 1; padding-left: 50%; padding-left: 51%; padding-left: -1%; padding-left: .5em; padding-left: 1.2.3px": "padding-left: 40px; padding-left: 0; padding-left: 50%; padding-left: 0.5em",
		"font-weight: 700; font-weight: bold; font-weight: 0; font-weight: 1001; font-weight: bold 700":                                                                                                     "font-weight: 700; font-weight: bold",
		"text-decoration: underline line-through; text-decoration: blink; text-decoration: a b c d":                                                                                                         "text-decoration: underline line-through",
		"padding-left: " + strings.Repeat("1", 25) + "px; text-indent: 0.00000000000000000000000001px; text-indent: 33.28494623655914%":                                                                     "text-indent: 33.28494623655914%",
		strings.Repeat("color: red; ", 65):                            strings.Repeat("color: red; ", 63) + "color: red",
		"font-family: " + strings.Repeat("a ", 41):                    "",
		"font-family: " + strings.TrimSpace(strings.Repeat("a ", 40)): "font-family: " + strings.TrimSpace(strings.Repeat("a ", 40)),
	} {
		got := h.Clean(`<p style="` + strings.ReplaceAll(in, `"`, "&quot;") + `">x</p>`)
		if want != "" {
			want = ` style="` + want + `"`
		}
		assert.Equal(t, "<p"+want+">x</p>", got, in)
		assert.Equal(t, got, h.Clean(got))
	}
	in := `<td style="border: 1px solid #ccc; border: 21px solid; border: 1px 1px 1px 1px; border-width: thin 2px; width: 100%; width: 101%; width: 4001px; margin: 0 auto; float: left; display: none; display: block">x`
	assert.Equal(t, `<table><tr><td style="border: 1px solid #ccc; border-width: thin 2px; width: 100%; margin: 0 auto; float: left; display: block; contain: paint">x</td></tr></table>`, h.Clean("<table><tr>"+in))
	assert.Equal(t, `<p>x</p>`, h.Clean(`<p style="float: left; width: 1px">x`), "for boxes only")
}

// Every property that AllowStyles knows takes one value of each kind that it should.
func TestEveryPropertyHasAGrammar(t *testing.T) {
	for value, properties := range map[string]string{
		"red":        "color background-color border-color border-top-color border-right-color border-bottom-color border-left-color text-decoration-color border border-top border-right border-bottom border-left",
		"center":     "text-align",
		"top":        "vertical-align caption-side",
		"underline":  "text-decoration text-decoration-line",
		"uppercase":  "text-transform",
		"italic":     "font-style",
		"small-caps": "font-variant",
		"bold":       "font-weight",
		"serif":      "font-family",
		"small":      "font-size",
		"2":          "line-height",
		"5px":        "letter-spacing word-spacing text-indent padding padding-left padding-right padding-top padding-bottom padding-inline-start padding-inline-end margin margin-left margin-right margin-top margin-bottom margin-inline-start margin-inline-end width height min-width min-height max-width max-height border-width border-top-width border-right-width border-bottom-width border-left-width border-radius border-spacing",
		"auto":       "margin margin-left width table-layout",
		"pre-wrap":   "white-space",
		"rtl":        "direction",
		"square":     "list-style-type",
		"left":       "float clear text-align",
		"block":      "display",
		"dashed":     "border-style border-top-style border-right-style border-bottom-style border-left-style border",
		"collapse":   "border-collapse",
	} {
		for property := range strings.FieldsSeq(properties) {
			h, err := markup.New(markup.AllowTags("img"), markup.AllowStyles("img", property))
			require.NoError(t, err)
			in := `<img style="` + property + ": " + value + `">`
			assert.Equal(t, in, h.Clean(in))
			assert.Equal(t, "<img>", h.Clean(`<img style="`+property+": url(x)"+`">`))
			assert.Equal(t, "<img>", h.Clean(`<img style="`+property+": 99999px"+`">`))
			assert.Equal(t, "<img>", h.Clean(`<img style="`+property+": "+value+" "+value+" "+value+" "+value+" "+value+`,">`))
		}
	}
}

// A box that is lower than its content, or floats, would show it over what is below.
// That it does not is tested in Chromium, in internal/integration.
func TestContentIsCutOffAtTheEdgeOfItsBox(t *testing.T) {
	h := policy(t, new(markup.Policy), markup.AllowTags("p", "table", "tr", "td", "caption", "img"), markup.AllowStyles("*", "height", "min-height", "max-height", "display", "float", "color"))
	cut := map[string][]string{
		"<p": {"height", "max-height", "float"}, "<table><caption": {"height", "max-height", "float"}, "<img": nil,
		"<table": {"max-height", "float", "display"}, "<table><tr": {"max-height", "float", "display"}, "<table><tr><td": {"max-height", "float", "display"},
	}
	for tag, properties := range cut {
		for _, declaration := range []string{"height: 0", "min-height: 0", "max-height: 0", "display: block", "float: left"} {
			property, _, _ := strings.Cut(declaration, ":")
			want := declaration + "; color: red"
			if slices.Contains(properties, property) {
				want += "; contain: paint"
			}
			got := h.Clean(tag + ` style="` + declaration + `; color: red">`)
			assert.Contains(t, got, tag+` style="`+want+`">`)
			assert.Equal(t, got, h.Clean(got))
		}
	}
	assert.Equal(t, `<p style="color: red">x</p>`, h.Clean(`<p style="contain: paint; color: red; height: 1vh">x</p>`), "only where it is needed")
}

func TestDataImagesBeginAsTheirTypeDoes(t *testing.T) {
	h := rich(t)
	starts := map[string]string{"png": "\x89PNG\r\n\x1a\n", "jpeg": "\xff\xd8\xff\xe0", "gif": "GIF87a", "webp": "RIFF\x00\x00\x00\x00WEBPVP8L"}
	for _, start := range starts {
		for as, other := range starts {
			in := `<img src="data:image/` + as + `;base64,` + base64.StdEncoding.EncodeToString([]byte(start+"12")) + `">`
			if start == other {
				assert.Equal(t, in, h.Clean(in))
			} else {
				assert.Equal(t, "<img>", h.Clean(in), in)
			}
		}
	}
}

// However the options are divided, the policy is the same, and With changes a copy.
func TestWithKeepsWhatARichPolicyHas(t *testing.T) {
	const in = `<p id=x class="a b cc z" style="color: red; text-align: left" data-x1=1 data-y=2 title=t>1</p><a href="#x" target=_blank>2</a><img src="data:image/gif;base64,` + gif + `"><img src="data:image/png;base64,iVBORw0KGgo="><iframe src="https://a.example/"></iframe><iframe src="https://b.example/"></iframe><input type=checkbox>`
	opts := []markup.Option{
		markup.AllowTags("p", "a"), markup.AllowClasses("p", "a"), markup.AllowClasses("*", "b", "c*"), markup.AllowIDs("u-"), markup.AllowStyles("p", "color"), markup.AllowStyles("*", "text-align"),
		markup.AllowDataImages(100, "image/gif"), markup.AllowDataImages(100, "image/png"), markup.AllowFrames("a.example"), markup.AllowFrames("b.example"), markup.AllowNewTabs(), markup.AllowCheckboxes(),
		markup.AllowAttrs("p", "data-y"), markup.RewriteURLs(func(_, _, address string) string { return address }),
	}
	whole, err := markup.New(opts...)
	require.NoError(t, err)
	want := whole.Clean(in)
	for _, part := range []string{`id="u-x"`, `class="a b cc"`, `color: red; text-align: left`, `data-y="2"`, `href="#u-x" target="_blank" rel="noopener"`, "image/gif", "image/png", "a.example", "b.example", "<input"} {
		assert.Contains(t, want, part)
	}
	for i := range len(opts) + 1 {
		first, err := markup.New(opts[:i]...)
		require.NoError(t, err)
		before := first.Clean(in)
		assert.Equal(t, want, policy(t, first, opts[i:]...).Clean(in), "divided at %d", i)
		assert.Equal(t, before, first.Clean(in), "divided at %d", i)
	}
	wide := policy(t, whole, markup.AllowAttrs("p", "class"))
	assert.Contains(t, wide.Clean(in), `class="a b cc z"`)
	wide = policy(t, whole, markup.AllowAttrs("*", "class"))
	assert.Contains(t, wide.Clean(in), `class="a b cc z"`)
	assert.Contains(t, policy(t, wide, markup.AllowClasses("p", "d")).Clean(in), `class="a b cc z"`)
}

// Whatever a function returns is checked again, as the attribute's own URL was.
func TestAFunctionCanOnlyNarrow(t *testing.T) {
	const in = `<a href="/x">1</a><img src="/x" srcset="/x 1x"><iframe src="https://www.youtube-nocookie.com/x"></iframe>`
	none := "<a>1</a><img>"
	for returned, want := range map[string]string{
		"":                               none,
		"javascript:alert(1)":            none,
		" java\tscript:alert(1)":         none,
		"data:text/html,x":               none,
		"/" + strings.Repeat("a", 1<<15): none,
		"a b":                            `<a href="a b" rel="nofollow">1</a><img src="a b">`,
		",a":                             `<a href=",a" rel="nofollow">1</a><img src=",a">`,
		"a,":                             `<a href="a," rel="nofollow">1</a><img src="a,">`,
		"https://evil.example/":          `<a href="https://evil.example/" rel="nofollow">1</a><img src="https://evil.example/" srcset="https://evil.example/ 1x">`,
		"data:image/gif;base64," + gif:   `<a>1</a><img src="data:image/gif;base64,` + gif + `">`,
	} {
		h := policy(t, rich(t), markup.RewriteURLs(func(_, _, _ string) string { return returned }))
		assert.Equal(t, want, h.Clean(in), returned)
	}
	var calls []string
	h := policy(t, rich(t), markup.AllowSchemes("https", "ftp"), markup.RewriteURLs(func(tag, attr, address string) string {
		calls = append(calls, tag+" "+attr+" "+address)
		return address
	}))
	h.Clean(in + `<a href=""><a href="ftp:/x"><a href="ftp://x\y">`)
	assert.Equal(t, []string{"a href /x", "img src /x", "img srcset /x", "iframe src https://www.youtube-nocookie.com/x", "a href ftp://x/y"}, calls)
}

// Two policies that widen the same one do not share what they add.
func TestWithSharesNothing(t *testing.T) {
	base := policy(t, new(markup.Policy), markup.AllowTags("p"), markup.AllowFrames("a.example", "b.example", "c.example"), markup.AllowFrames("d.example", "e.example"))
	one := policy(t, base, markup.AllowFrames("one.example"))
	two := policy(t, base, markup.AllowFrames("two.example"))
	assert.Contains(t, one.Clean(`<iframe src="https://one.example/"></iframe>`), "one.example")
	assert.Empty(t, one.Clean(`<iframe src="https://two.example/"></iframe>`))
	assert.Contains(t, two.Clean(`<iframe src="https://two.example/"></iframe>`), "two.example")
}

func TestFramesAreOfPublicHosts(t *testing.T) {
	_, err := markup.New(markup.AllowFrames("localhost", "intranet", "127.0.0.1", "a.example"))
	assert.Equal(t, []string{"hosts: invalid: localhost", "hosts: invalid: intranet", "hosts: invalid: 127.0.0.1"}, mistakes(err))
}
