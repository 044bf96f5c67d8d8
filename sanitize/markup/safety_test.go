package markup_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// read reads a list from a file of testdata.
func read[T any](tb testing.TB, name string) []T {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(tb, err)
	var list []T
	require.NoError(tb, json.Unmarshal(raw, &list))
	return list
}

// vectors are pieces of public cross-site scripting vectors and of markup that
// parsers disagree on.
func vectors(tb testing.TB) []string {
	tb.Helper()
	return append(read[string](tb, "splices.json"), "\xff", "<b\xff>", strings.Repeat("<div>", 99))
}

// A container is what the docs say that cleaned markup stays inside of: what is
// before its content, and behind it.
type container [2]string

func containers(tb testing.TB) []container {
	tb.Helper()
	list := read[container](tb, "containers.json")
	require.Len(tb, list, 22)
	return list
}

// parsed is what a browser makes of s in the body of a page.
func parsed(tb testing.TB, s string) *html.Node {
	tb.Helper()
	nodes, err := html.ParseFragment(strings.NewReader(s), &html.Node{Type: html.ElementNode, DataAtom: atom.Body, Data: "body"})
	require.NoError(tb, err)
	root := &html.Node{Type: html.DocumentNode}
	for _, n := range nodes {
		root.AppendChild(n)
	}
	return root
}

func render(tb testing.TB, n *html.Node) string {
	tb.Helper()
	var b strings.Builder
	require.NoError(tb, html.Render(&b, n))
	return b.String()
}

// byID returns the element with the id.
func byID(root *html.Node, id string) *html.Node {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && slices.Contains(n.Attr, html.Attribute{Key: "id", Val: id}) {
			return n
		}
	}
	return nil
}

// stays says what is wrong with s in the container: it leaves it, it changes what
// is around, or its own tree is another one after it is written and parsed again.
// It returns that tree.
func stays(tb testing.TB, in container, s string) (root *html.Node, wrong string) {
	tb.Helper()
	const after = `<i id="after"></i>`
	root = parsed(tb, in[0]+s+in[1]+after)
	inside := byID(root, "in")
	if inside == nil {
		return root, "its container is gone"
	}
	var content strings.Builder
	for n := range inside.ChildNodes() {
		require.NoError(tb, html.Render(&content, n))
	}
	again := parsed(tb, in[0]+content.String()+in[1]+after)
	if first, second := render(tb, root), render(tb, again); first != second {
		return root, "mutation: " + first + " became " + second
	}
	for inside.FirstChild != nil {
		inside.RemoveChild(inside.FirstChild)
	}
	if left := render(tb, root); left != in[0]+in[1]+after {
		wrong = "outside of its container: " + left
	}
	return again, wrong
}

var (
	safeStyle = regexp.MustCompile(`^[a-z-]+: [\p{L}0-9 #%.,()/'_-]+(; [a-z-]+: [\p{L}0-9 #%.,()/'_-]+)*$`)
	unsafeCSS = regexp.MustCompile(`(?i)url|expression|position|z-index|@|\\|/\*|var|attr|calc|image|behavior|binding|opacity|transform`)
	safeData  = regexp.MustCompile(`^data:image/(png|gif|webp|jpeg);base64,[A-Za-z0-9+/]+=*$`)
)

const frameHost = "https://www.youtube-nocookie.com/"

// plainElements are those that can do nothing.
var plainElements = strings.Fields(`a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details
	dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label li main mark nav ol p picture pre q rp rt ruby s samp section small
	source span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr`)

// plainAttrs are those that can do nothing, whatever is in them.
var plainAttrs = strings.Fields(`align alt bgcolor border cellpadding cellspacing checked color colspan datetime decoding dir disabled face height lang
	loading media open rel reversed role rowspan scope size sizes span start title type valign value width aria-hidden aria-label data-list data-type
	data-checked data-id data-label data-language data-row data-color data-align data-colwidth allowfullscreen frameborder referrerpolicy`)

// danger says what a browser could run of the tree, what could cover the page or
// pass for a part of it. A rich policy has what Editor allows, and frames and images
// of the tests.
func danger(root *html.Node, rich bool) string {
	for n := range root.Descendants() {
		if n.Type == html.CommentNode || n.Type == html.DoctypeNode {
			return "a comment"
		}
		if n.Type != html.ElementNode || slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "id" && (a.Val == "in" || a.Val == "after") }) {
			continue
		}
		attrs := map[string]string{}
		for _, a := range n.Attr {
			attrs[a.Key] = a.Val
		}
		switch {
		case n.Namespace != "":
			return "foreign content"
		case rich && n.Data == "iframe":
			if attrs["sandbox"] != "allow-scripts allow-same-origin allow-presentation" || !strings.HasPrefix(attrs["src"], frameHost) || n.FirstChild != nil {
				return fmt.Sprint("a frame ", attrs)
			}
		case rich && n.Data == "input":
			if _, disabled := attrs["disabled"]; !disabled || attrs["type"] != "checkbox" {
				return fmt.Sprint("an input ", attrs)
			}
		case !slices.Contains(plainElements, n.Data):
			return "an element " + n.Data
		}
		if _, ok := attrs["target"]; ok && !slices.Contains(strings.Fields(attrs["rel"]), "noopener") {
			return "a window that can be reached"
		}
		for key, value := range attrs {
			if !isHarmless(n.Data, key, value, rich) {
				return fmt.Sprintf("%s %s=%q", n.Data, key, value)
			}
		}
	}
	return ""
}

func isHarmless(tag, key, value string, rich bool) bool {
	switch {
	case slices.Contains(plainAttrs, key):
		return true
	case key == "src" && tag == "img" && rich && safeData.MatchString(value):
		return true
	case key == "href" || key == "src" || key == "cite":
		return isHarmlessURL(value)
	case !rich:
		return false
	}
	switch key {
	case "style":
		return safeStyle.MatchString(value) && !unsafeCSS.MatchString(value)
	case "id":
		return strings.HasPrefix(value, "user-content-")
	case "aria-labelledby", "aria-describedby":
		return !slices.ContainsFunc(strings.Fields(value), func(s string) bool { return !strings.HasPrefix(s, "user-content-") })
	case "class":
		return regexp.MustCompile(`^((ql|language|hljs|mce|footnote|align)[a-z0-9_-]*|image|table|media|mention|anchor|footnotes|task-list-item|contains-task-list)( |$)`).MatchString(value)
	case "target":
		return value == "_blank" && tag == "a"
	case "sandbox":
		return tag == "iframe"
	case "srcset":
		return !slices.ContainsFunc(strings.Split(value, ", "), func(s string) bool {
			address, _, _ := strings.Cut(s, " ")
			return !isHarmlessURL(address) || address == ""
		})
	}
	return false
}

func isHarmlessURL(s string) bool {
	if strings.ContainsAny(s, "\t\n\r") || s != strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) {
		return false
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 || strings.ContainsAny(s[:colon], "/?#\\") {
		return true
	}
	return slices.Contains([]string{"http", "https", "mailto", "ftp"}, strings.ToLower(s[:colon]))
}

// rich allows all that a policy can.
func rich(tb testing.TB) *markup.Policy {
	tb.Helper()
	return policy(tb, markup.Editor(),
		markup.AllowFrames("www.youtube-nocookie.com"),
		markup.AllowDataImages(1000, "image/png", "image/gif", "image/webp", "image/jpeg"),
	)
}

// proxy sends images through a proxy and drops links to evil.example.
func proxy(tag, _, address string) string {
	const through = "https://images.example/?u="
	switch u, err := url.Parse(address); {
	case err != nil, u.Host == "evil.example":
		return ""
	case tag == "img" && u.Host != "" && !strings.HasPrefix(address, through):
		return through + url.QueryEscape(address)
	}
	return address
}

// checked cleans s and stops the test if the outcome is not stable, leaves a
// container or could do something.
func checked(tb testing.TB, h *markup.Policy, rich bool, s, info string, in ...container) string {
	tb.Helper()
	out := h.Clean(s)
	if again := h.Clean(out); again != out {
		require.Equal(tb, out, again, "%s\n in  %q\n out %q", info, s, out)
	}
	for _, in := range in {
		root, wrong := stays(tb, in, out)
		require.Empty(tb, wrong, "%s\n in  %q\n out %q", info, s, out)
		require.Empty(tb, danger(root, rich), "%s\n in  %q\n out %q", info, s, out)
	}
	require.LessOrEqual(tb, len(out), 32*len(s)+400, "%s\n in  %q\n out %q", info, s, out)
	return out
}

// A tested policy is rich if danger is to expect what Editor allows.
type tested struct {
	*markup.Policy
	rich bool
}

func testedPolicies(tb testing.TB) []tested {
	tb.Helper()
	strip, err := markup.New(markup.AllowTags("a", "b", "table", "td", "li", "ruby", "rt", "col"), markup.AllowAttrs("a", "href"))
	require.NoError(tb, err)
	list := []tested{{markup.Basic(), false}, {markup.UGC(), false}, {strip, false}, {new(markup.Policy), false}, {markup.Markdown(), true}, {markup.Editor(), true}, {rich(tb), true}}
	for _, h := range list {
		list = append(list, tested{policy(tb, h.Policy, markup.DropCode(), markup.Linkify(), markup.LinkifyEmails()), h.rich})
	}
	return append(list,
		tested{policy(tb, rich(tb), markup.RewriteURLs(proxy), markup.Linkify()), true},
		tested{policy(tb, rich(tb), markup.EscapeDisallowed()), true})
}

func TestRandomSplices(t *testing.T) {
	n := 10_000
	if os.Getenv("RAMPART_BARS") != "" {
		n = 1_000_000
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	pieces, policies, around := vectors(t), testedPolicies(t), containers(t)
	for i := range n {
		var b strings.Builder
		for range 1 + rng.IntN(14) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		h := policies[rng.IntN(len(policies))]
		checked(t, h.Policy, h.rich, b.String(), fmt.Sprintf("seed %d, number %d", seed, i), around[rng.IntN(len(around))])
	}
}

// TestPublicVectors cleans each vector, alone and as a part of attributes. That
// nothing of it runs in Chromium is tested in internal/integration.
func TestPublicVectors(t *testing.T) {
	list := read[string](t, "xss_vectors.json")
	require.Greater(t, len(list), 400)
	around := containers(t)
	div := slices.IndexFunc(around, func(c container) bool { return strings.HasPrefix(c[0], "<div") })
	for i, v := range list {
		for _, h := range testedPolicies(t) {
			for _, in := range []string{v, `<a href="` + v + `" title="` + v + `">x</a>`, `<img src='` + v + `' alt='` + v + `'>`, "<b title=" + v + ">x", `<p style="` + v + `" class='` + v + `'>`, `<img srcset='` + v + `'>`} {
				checked(t, h.Policy, h.rich, in, "", around[div], around[i%len(around)])
			}
		}
	}
}

// TestContainersThatDoNotHold names elements that cleaned markup leaves: the docs
// warn of them.
func TestContainersThatDoNotHold(t *testing.T) {
	for in, s := range map[string]string{"p": "<p>x</p>", "h1": "<h2>x</h2>", "a": `<a href="/x">x</a>`} {
		out := markup.UGC().Clean(s)
		_, wrong := stays(t, container{"<" + in + ` id="in">`, "</" + in + ">"}, out)
		require.NotEmpty(t, wrong, in)
	}
}
