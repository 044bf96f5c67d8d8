package sanitize_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/ecolaura/rampart/sanitize"
)

type bleachFile struct {
	Cases []struct {
		ID          int
		Category    string
		Input       string
		Default     string
		Strip       string
		NoTags      string `json:"no_tags"`
		NoTagsStrip string `json:"no_tags_strip"`
		UGCStrip    string `json:"ugc_strip"`
	}
}

// dom is what a browser makes of s as the content of a div.
func dom(t testing.TB, s string) string {
	t.Helper()
	nodes, err := html.ParseFragment(strings.NewReader(s), &html.Node{Type: html.ElementNode, DataAtom: atom.Div, Data: "div"})
	require.NoError(t, err)
	var b strings.Builder
	for _, n := range nodes {
		require.NoError(t, html.Render(&b, n))
	}
	return b.String()
}

func TestBleachOracle(t *testing.T) {
	raw, err := os.ReadFile("testdata/bleach_clean.json")
	require.NoError(t, err)
	var file bleachFile
	require.NoError(t, json.Unmarshal(raw, &file))
	policy := func(opts ...sanitize.HTMLOption) *sanitize.HTML {
		h, err := sanitize.NewHTML(opts...)
		require.NoError(t, err)
		return h
	}
	basic := []sanitize.HTMLOption{sanitize.AllowTags("a", "abbr", "acronym", "b", "blockquote", "code", "em", "i", "li", "ol", "strong", "ul"),
		sanitize.AllowAttrs("a", "href", "title"), sanitize.AllowAttrs("abbr", "title"), sanitize.AllowAttrs("acronym", "title")}
	ugc := policy(sanitize.AllowTags("a", "abbr", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
		sanitize.AllowAttrs("*", "title", "lang", "dir"), sanitize.AllowAttrs("a", "href", "rel"), sanitize.AllowAttrs("img", "src", "alt", "width", "height"),
		sanitize.AllowAttrs("td", "colspan", "rowspan"), sanitize.AllowAttrs("th", "colspan", "rowspan"))
	strip, noTags := policy(basic...), policy(sanitize.EscapeDisallowed())
	total, equal := 0, 0
	for _, c := range file.Cases {
		for name, p := range map[string]struct {
			h    *sanitize.HTML
			want string
		}{
			"default": {sanitize.Basic(), c.Default}, "strip": {strip, c.Strip}, "no_tags": {noTags, c.NoTags},
			"no_tags_strip": {new(sanitize.HTML), c.NoTagsStrip}, "ugc_strip": {ugc, c.UGCStrip},
		} {
			total++
			got := p.h.Clean(c.Input)
			require.Equal(t, got, p.h.Clean(got))
			if dom(t, got) == dom(t, p.want) {
				equal++
			} else {
				t.Logf("%d %s %s\n in   %q\n got  %q\n want %q", c.ID, c.Category, name, c.Input, got, p.want)
			}
		}
	}
	t.Logf("%d of %d", equal, total)
}
