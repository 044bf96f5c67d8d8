package markup_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/sanitize/markup"
)

func TestClean(t *testing.T) {
	zero, basic, ugc := new(markup.Policy), markup.Basic(), markup.UGC()
	tests := []struct {
		desc   string
		policy *markup.Policy
		in     string
		want   string
	}{
		{"plain text stays", basic, `it's "quoted" – ok`, `it's "quoted" – ok`},
		{"lone angle brackets are text", basic, "1 < 2 > 0 <3", "1 &lt; 2 &gt; 0 &lt;3"},
		{"entities are decoded and encoded once", basic, "&lt;b&gt; &amp;amp; &copy; &#x41;", "&lt;b&gt; &amp;amp; © A"},
		{"an escaped script stays text", basic, "&lt;script&gt;", "&lt;script&gt;"},
		{"NUL is dropped, other controls show", basic, "a\x00b\x1b[31m", "ab?[31m"},
		{"carriage returns become line feeds", basic, "a\r\nb\rc&#13;d", "a\nb\nc\nd"},
		{"invalid UTF-8 is repaired", basic, "a\xffb<b>\xc3", "a\ufffdb<b>\ufffd</b>"},
		{"a tag that never ends is text", basic, `a <b title="`, `a &lt;b title="`},
		{"comments go, conditional ones too", basic, "a<!-- b --><!--[if IE]>c<![endif]--><?php d ?><!DOCTYPE e><![CDATA[f]]>g", "ag"},
		{"disallowed tags show in a basic policy", basic, `<script>alert("&lt;")</script>`, `&lt;script&gt;alert("&lt;")&lt;/script&gt;`},
		{"a script's content stays as text in a policy of one's own", policy(t, zero), "a<script>b<!-- c --><b>d</b></script>e", "abde"},
		{"nor do dropped scripts show", policy(t, basic, markup.DropCode()), "a<script>b</script><x>c", "a&lt;x&gt;c"},
		{"an entity without its semicolon is text", zero, "?a=1&copy=2 &notit; &semi; &ampx; &#65 &#65;", "?a=1&amp;copy=2 &amp;notit; ; &amp;ampx; &amp;#65 A"},
		{"an ampersand at the end is text", zero, "a&", "a&amp;"},
		{"an end tag without a name is text", ugc, "a</ b>c</!>d</>e", "ac&lt;/!&gt;de"},
		{"a script goes with its content", ugc, "a<script>b<!-- c --></script>d", "ad"},
		{"a script that never ends takes the rest", ugc, "a<script>b<b>c", "a"},
		{"a style goes with its content", ugc, "a<STYLE>b</style >c", "ac"},
		{"other raw text is cleaned like the rest", ugc, "<textarea><b>x</b></textarea><xmp><i onclick=a>y</i></xmp><plaintext><u>z", "<b>x</b><i>y</i><u>z</u>"},
		{"the zero policy keeps text", zero, "<p>a<b>b</b></p><p>c<br>d</p> e", "ab\nc\nd e"},
		{"open elements are closed", ugc, "<b><i>x", "<b><i>x</i></b>"},
		{"end tags without a start go", ugc, "</b></p></div></br>x", "x"},
		{"misnested elements are balanced", ugc, "<b>1<i>2</b>3</i>4", "<b>1<i>2</i></b>34"},
		{"an inline end tag does not end a block", ugc, "<b>1<p>2</b>3</p>4", "<b>1<p>23</p></b>4"},
		{"a block ends a paragraph", ugc, "<p>1<b>2<div>3", "<p>1<b>2</b></p><div>3</div>"},
		{"a paragraph ends a paragraph", ugc, "<p>1<p>2<hr>3", "<p>1</p><p>2</p><hr>3"},
		{"an item ends an item", ugc, "<ul><li>1<li>2<ol><li>3</ul>4", "<ul><li>1</li><li>2<ol><li>3</li></ol></li></ul>4"},
		{"an item's end tag does not leave its list", ugc, "<ul><li>1<ol>2</li>3", "<ul><li>1<ol>23</ol></li></ul>"},
		{"a term ends a term, through a div", ugc, "<dl><dt>1<dd><div>2<dt>3", "<dl><dt>1</dt><dd><div>2</div></dd><dt>3</dt></dl>"},
		{"a heading ends a heading", ugc, "<h1>1<h2>2</h3>3", "<h1>1</h1><h2>2</h2>3"},
		{"a link ends a link", ugc, "<a href=/1>1<b><a href=/2>2", `<a href="/1" rel="nofollow">1<b></b></a><a href="/2" rel="nofollow">2</a>`},
		{"a table keeps its shape", ugc, "<table><caption>0<tr><td>1<th>2<tr><td>3<tbody><tr><td>4</table>5", "<table><caption>0</caption><tr><td>1</td><th>2</th></tr><tr><td>3</td></tr><tbody><tr><td>4</td></tr></tbody></table>5"},
		{"a table in a cell is nested", ugc, "<table><tr><td><table><tr><td>1</td></tr></table>2</td><td>3", "<table><tr><td><table><tr><td>1</td></tr></table>2</td><td>3</td></tr></table>"},
		{"a table in a table ends it", ugc, "<table><tr><table><tr><td>1", "<table><tr></tr></table><table><tr><td>1</td></tr></table>"},
		{"parts of a table need one", ugc, "<tr><td>1</td></tr><caption>2</caption><tbody>3", "123"},
		{"only cells hold content", ugc, "<table><b>1</b><tr><p>2<td><p>3", "<table>1<tr>2<td><p>3</p></td></tr></table>"},
		{"an end tag does not leave its cell", ugc, "<div><b><table><tr><td>1</b></div>2", "<div><b><table><tr><td>12</td></tr></table></b></div>"},
		{"a row's end tag ends cells", ugc, "<table><tr><td><b>1</tr></td>2</table>", "<table><tr><td><b>1</b></td></tr>2</table>"},
		{"void elements have no end", ugc, "a<br>b</br><wbr/>", "a<br>b<wbr>"},
		{"self-closing is ignored", ugc, "<b/>a", "<b>a</b>"},
		{"unknown attributes go", ugc, `<b onclick=x id=y name=z style=w title='t"'>a`, `<b title="t&quot;">a</b>`},
		{"the first of two attributes counts", ugc, "<b title=1 TITLE=2>a", `<b title="1">a</b>`},
		{"attributes are escaped", ugc, "<b title='<script>&amp;&quot;`\r\n\x1b'>a", "<b title=\"&lt;script&gt;&amp;&quot;`\n?\">a</b>"},
		{"a link's rel is not the author's", ugc, `<a rel=follow href=/x>a`, `<a href="/x" rel="nofollow">a</a>`},
		{"an anchor that does not link needs no rel", ugc, `<a rel=follow href=javascript:x>a`, "<a>a</a>"},
		{"tags with long names are unknown", ugc, "<" + strings.Repeat("b", 20) + ">a</" + strings.Repeat("b", 17) + ">", "a"},
		{"a foreign element does not change the rest", ugc, "<svg><b>a</b><style><img title='</style><img src=x onerror=alert(1)>'>", `<b>a</b><img src="x">'&gt;`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got := tt.policy.Clean(tt.in)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, got, tt.policy.Clean(got), "idempotent")
		})
	}
}

func TestCleanChecksURLs(t *testing.T) {
	h := markup.Basic()
	kept := map[string]string{
		"http://example.com/?a=1&b=2": "http://example.com/?a=1&amp;b=2",
		"HTTPS://example.com":         "HTTPS://example.com",
		"mailto:a@example.com":        "mailto:a@example.com",
		"/a:b":                        "/a:b",
		"?a:b":                        "?a:b",
		"#a:b":                        "#a:b",
		"a/b:c":                       "a/b:c",
		"":                            "",
		" \thttp://e\n.com\x01 ":      "http://e.com",
		`\\e.com:80`:                  `\\e.com:80`,
	}
	for in, want := range kept {
		assert.Equal(t, `<a href="`+want+`">x</a>`, h.Clean(`<a href="`+in+`">x</a>`))
	}
	for _, in := range []string{
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", " javascript:alert(1)",
		"java\x00script:alert(1)", "javascript&colon;alert(1)", "javascript&#58;alert(1)", "&#106;avascript:alert(1)", "&#x6aavascript:alert(1)",
		"java&Tab;script:alert(1)", "java&NewLine;script:alert(1)", "javascript :alert(1)", "vbscript:x", "data:text/html,x", "file:///etc/passwd",
		"ftp://example.com", "localhost:8000", "1:2", "é:x", ":x", "\ufeffjavascript:x",
	} {
		assert.Equal(t, "<a>x</a>", h.Clean(`<a href="`+in+`">x</a>`), "%q", in)
	}
}

func TestNewHTMLRefusesUnsafePolicies(t *testing.T) {
	_, err := markup.New(
		markup.AllowTags("b", "script", "style", "svg", "math", "iframe", "textarea", "noscript", "template", "form", "B", "bold", ""),
		markup.AllowAttrs("b", "title", "onclick", "ONCLICK", "style", "id", "name", "srcdoc", "data-x", ""),
		markup.AllowAttrs("*", "onload", "target"),
		markup.AllowAttrs("i", "title"),
		markup.AllowSchemes("https", "javascript", "JavaScript", "data", "vbscript", "HTTP", "a b", "1a", ""),
	)
	assert.Equal(t, []string{
		"names: unsafe: script", "names: unsafe: style", "names: unsafe: svg", "names: unsafe: math", "names: unsafe: iframe",
		"names: unsafe: textarea", "names: unsafe: noscript", "names: unsafe: template", "names: unsafe: form",
		"names: unknown: B", "names: unknown: bold", "names: unknown: ",
		"names: unsafe: onclick", "names: unknown: ONCLICK", "names: unsafe: style", "names: unsafe: id", "names: unsafe: name",
		"names: unsafe: srcdoc", "names: unsafe: data-x", "names: unknown: ",
		"names: unsafe: onload", "names: unsafe: target",
		"tag: unknown: i",
		"schemes: unsafe: javascript", "schemes: unsafe: JavaScript", "schemes: unsafe: data", "schemes: unsafe: vbscript",
		"schemes: invalid: HTTP", "schemes: invalid: a b", "schemes: invalid: 1a", "schemes: invalid: ",
	}, mistakes(err))
}

func TestNewHTML(t *testing.T) {
	h, err := markup.New(
		markup.AllowTags("a", "img"), markup.AllowTags("a"), markup.AllowAttrs("*", "title"), markup.AllowAttrs("a", "href"), markup.AllowAttrs("img", "src"),
		markup.AllowSchemes("https", "web+x"),
	)
	require.NoError(t, err)
	assert.Equal(t, `<a title="t" href="web+x:y">x</a><img title="t">`, h.Clean(`<a title=t href="web+x:y">x</a><img title=t src=http://x>`))
}

// However the options are divided among NewHTML and With, the policy is the same.
func TestWithKeepsWhatThePolicyHas(t *testing.T) {
	const in = `<a title=t href="http://x.com">1</a> <b title=t>2 y.com a@y.com</b><pre>z.com</pre><i>3</i><script>4</script><a href="ftp://x.com">5</a><a href=/x>6</a>`
	all := []markup.Option{
		markup.AllowTags("a", "b", "pre"), markup.AllowAttrs("*", "title"), markup.AllowAttrs("a", "href"),
		markup.EscapeDisallowed(), markup.DropCode(), markup.Linkify("pre"), markup.LinkifyEmails(),
	}
	for desc, schemes := range map[string][]string{"no scheme": nil, "no scheme, in a list": {}, "one scheme": {"ftp"}, "two": {"http", "mailto"}} {
		opts := append([]markup.Option{markup.AllowSchemes(schemes...)}, all...)
		whole, err := markup.New(opts...)
		require.NoError(t, err)
		want := whole.Clean(in)
		assert.Equal(t, len(schemes) > 0, strings.Contains(want, `"http:`) || strings.Contains(want, `"ftp:`), want)
		for i := range len(opts) + 1 {
			first, err := markup.New(opts[:i]...)
			require.NoError(t, err)
			assert.Equal(t, want, policy(t, first, opts[i:]...).Clean(in), "%s, divided at %d", desc, i)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	h := markup.UGC()
	got := h.Clean(strings.Repeat("<div>", 1000) + "x" + strings.Repeat("</div>", 1000) + "y")
	assert.Equal(t, strings.Repeat("<div>", 100)+"x"+strings.Repeat("</div>", 100)+"y", got)
}

func TestStripTags(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                            "plain",
		"<p>a</p><p>b &amp; c</p>":         "a\nb & c",
		"a<br>b<script>x</script>":         "a\nb",
		"&lt;b&gt;":                        "<b>",
		"1 < 2":                            "1 < 2",
		"<a href=javascript:x>y</a>":       "y",
		"<scr<script>ipt>alert(1)</script": "",
	} {
		got := markup.StripTags(in)
		if in == "<scr<script>ipt>alert(1)</script" {
			assert.NotContains(t, got, "<script>")
			continue
		}
		assert.Equal(t, want, got, in)
	}
}

// TestCleanIsLinear looks at minima of processor time, and again for as long as
// they could still be the machine's fault: they only ever err upwards.
func TestCleanIsLinear(t *testing.T) {
	h := policy(t, rich(t), markup.Linkify("pre"), markup.LinkifyEmails())
	clean := func(piece string, size int) time.Duration {
		start, piece, ok := strings.Cut(piece, "|") // what is before it is there once
		if !ok {
			start, piece = "", start
		}
		in := start + strings.Repeat(piece, size/len(piece))
		if ok {
			in += `">`
		}
		out := ""
		took := cputime.Spent(func() { out = h.Clean(in) })
		assert.Less(t, len(out), 16*size, piece)
		return took
	}
	for _, piece := range []string{
		"<b>", "<p>", "<a>", "<li>", "<table>", "<td>", "<div><b>", "</p>", "<b></p>", "<p><b>", "<", "&", "&lt", "<!--", "<a title=", "<script>", "<b x=1 ", "\x00", "\"", "<i><td></i>",
		"<h1><b>", "<ul><li><div>", "<table><tr><td>", "<b><p></b>", "</li>", "<x y='",
		".", "a.", "a@", "@a.b", "http://", "http://a:", "x.com ", "x.com/(", "x.com/)", "a@x.com,", "+.@", "é.", "<x>a.", "a.com/.",
		"<ruby><rt>", "<rt>", "<dd>", "<ul><dd>", "<table><col>", "<iframe>", "<input>", `<p style="|color:red;`, `<p style="|'`, `<p style="color:|rgb(`, `<p style="|;`, `<p style="font-family:|a,`,
		`<p class="|a `, `<p class="|ql-size-x `, `<p id="|x`, `<p aria-labelledby="|x `, `<img srcset="|a,`, `<img srcset="|a, `, `<img srcset="|a 1x,`, `<img srcset="| `, `<img src="data:image/gif;base64,|R`, `<img src="data:|;base64,`,
		`<a rel="|opener `, `<p style="text-indent:|1`, `<p |data-x `, `<p |a `, `<p data-a style="color:red" class=ql-ui id=x>`,
	} {
		clean(piece, 1<<14)
		if os.Getenv("RAMPART_BARS") == "" { // a shared machine's clock says nothing
			continue
		}
		least := [3]time.Duration{time.Hour, time.Hour, time.Hour} // of 1, 2 and 4 MB
		within := func() bool {                                    // 16 would be quadratic
			return least[0] < 60*time.Millisecond && least[2] < 8*least[0]+2*time.Millisecond
		}
		for try := 0; try < 3 || try < 20 && !within(); try++ {
			for i := range least {
				least[i] = min(least[i], clean(piece, 1<<(20+i)))
			}
		}
		t.Logf("%-20q %v", piece, least)
		assert.True(t, within(), "%q: %v", piece, least)
	}
}

// mistakes lists the mistakes of err, without the package.
func mistakes(err error) []string {
	var list []string
	for m := range rampart.Mistakes(err) {
		list = append(list, m.Field+": "+string(m.Reason)+": "+m.Value)
	}
	return list
}
