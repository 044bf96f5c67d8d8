package markup_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/ecolaura/rampart/sanitize/markup"
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
func dom(tb testing.TB, s string) string {
	tb.Helper()
	nodes, err := html.ParseFragment(strings.NewReader(s), &html.Node{Type: html.ElementNode, DataAtom: atom.Div, Data: "div"})
	require.NoError(tb, err)
	var b strings.Builder
	for _, n := range nodes {
		require.NoError(tb, html.Render(&b, n))
	}
	return b.String()
}

func TestBleachOracle(t *testing.T) {
	raw, err := os.ReadFile("testdata/bleach_clean.json")
	require.NoError(t, err)
	var file bleachFile
	require.NoError(t, json.Unmarshal(raw, &file))
	policy := func(opts ...markup.Option) *markup.Policy {
		h, err := markup.New(opts...)
		require.NoError(t, err)
		return h
	}
	basic := []markup.Option{
		markup.AllowTags("a", "abbr", "acronym", "b", "blockquote", "code", "em", "i", "li", "ol", "strong", "ul"),
		markup.AllowAttrs("a", "href", "title"), markup.AllowAttrs("abbr", "title"), markup.AllowAttrs("acronym", "title"),
	}
	ugc := policy(markup.AllowTags("a", "abbr", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
		markup.AllowAttrs("*", "title", "lang", "dir"), markup.AllowAttrs("a", "href", "rel"), markup.AllowAttrs("img", "src", "alt", "width", "height"),
		markup.AllowAttrs("td", "colspan", "rowspan"), markup.AllowAttrs("th", "colspan", "rowspan"))
	strip, noTags := policy(basic...), policy(markup.EscapeDisallowed())
	reasons, total, equal := bleachDifferences(), 0, 0
	differs := map[int]bool{}
	for _, c := range file.Cases {
		for name, p := range map[string]struct {
			h    *markup.Policy
			want string
		}{
			"default": {markup.Basic(), c.Default}, "strip": {strip, c.Strip}, "no_tags": {noTags, c.NoTags},
			"no_tags_strip": {new(markup.Policy), c.NoTagsStrip}, "ugc_strip": {ugc, c.UGCStrip},
		} {
			total++
			got := p.h.Clean(c.Input)
			if dom(t, got) == dom(t, p.want) {
				equal++
				continue
			}
			differs[c.ID] = true
			assert.Contains(t, reasons, c.ID, "%s %q\n got  %q\n want %q", name, c.Input, got, p.want)
		}
	}
	for id := range reasons {
		assert.Contains(t, differs, id, "no difference any more")
	}
	t.Logf("%d of %d equal as DOM", equal, total)
	assert.GreaterOrEqual(t, float64(equal)/float64(total), 0.949)
}

// bleachDifferences says why the outcome of a case differs, in one policy or
// in several.
func bleachDifferences() map[int]string {
	why := map[int]string{}
	for reason, ids := range map[string][]int{
		"an unfinished tag stays as text: a person may have written 'x <y'":                             {41, 44},
		"entities in a URL are read as a browser reads them, without a semicolon too":                   {261, 262, 263, 264, 268},
		"a URL whose part before the colon is no allowed scheme goes; bleach takes some for host:port":  {273, 280, 294, 323, 326, 334},
		"line breaks in a URL go, as in a browser":                                                      {243},
		"NUL is dropped in a tag that is shown, where bleach writes a question mark":                    {255, 354, 355},
		"style is never allowed: it can cover the page and fetch URLs":                                  {105, 388},
		"elements that a browser would move out of a table go, their text stays, apart from the cell's": {411, 412},
		"an item outside a list goes: it would end an item around the text":                             {426},
		"an end tag without a start goes: nobody meant an empty paragraph":                              {399},
		"formatting is not opened again after the block or link that ended it: output stays linear":     {414, 415},
	} {
		for _, id := range ids {
			why[id] = reason
		}
	}
	return why
}
