package markup_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func policy(tb testing.TB, base *markup.Policy, opts ...markup.Option) *markup.Policy {
	tb.Helper()
	h, err := base.With(opts...)
	require.NoError(tb, err)
	return h
}

func TestLinkify(t *testing.T) {
	h := policy(t, markup.UGC(), markup.Linkify("pre", "code"), markup.LinkifyEmails())
	link := func(href, text string) string { return `<a href="` + href + `" rel="nofollow">` + text + `</a>` }
	mail := func(addr string) string { return `<a href="mailto:` + addr + `">` + addr + `</a>` }
	x := link("http://x.com", "x.com")
	tests := []struct{ desc, in, want string }{
		{"a URL in a sentence", "See https://example.com/a?b=1&c=2.", "See " + link("https://example.com/a?b=1&amp;c=2", "https://example.com/a?b=1&amp;c=2") + "."},
		{"a bare name", "x.com, (x.com) 'x.com' x.com...", x + ", (" + x + ") '" + x + "' " + x + "..."},
		{"brackets that the path opens", "(http://x.com/a_(b))", "(" + link("http://x.com/a_(b)", "http://x.com/a_(b)") + ")"},
		{"a port", "x.com:8080/y x.com:1234567 x.com:", link("http://x.com:8080/y", "x.com:8080/y") + " " + x + ":1234567 " + x + ":"},
		{"a fragment", "x.com#y", link("http://x.com#y", "x.com#y")},
		{"www with any domain", "www.example.photos www.zip", link("http://www.example.photos", "www.example.photos") + " www.zip"},
		{"a scheme with any domain", "http://example.photos", link("http://example.photos", "http://example.photos")},
		{"letters of any script", "bücher.de", link("http://bücher.de", "bücher.de")},
		{"a domain in Punycode", "xn--e1afmkfd.xn--p1ai", link("http://xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai")},
		{"files are no names", "invoice.zip index.js e.g. 1.5 a..com -a.com .a.com a-.com", "invoice.zip index.js e.g. 1.5 a..com -a.com .a.com a-.com"},
		{"addresses and single names are not public", "http://10.0.0.1/ http://localhost/ http://a.b", "http://10.0.0.1/ http://localhost/ http://a.b"},
		{"the middle of something else", "/a/x.com ?u=x.com foo:x.com a@x.com@b", "/a/x.com ?u=x.com foo:x.com a@x.com@b"},
		{"other schemes", "javascript://x.com/%0aalert(1) ftp://x.com", "javascript://x.com/%0aalert(1) ftp://x.com"},
		{"a user that looks like a host", "http://paypal.com@evil.com/ http://a:b:c@x.com", "http://paypal.com@evil.com/ http://a:b:c@x.com"},
		{"a user without a host", "http://ab@ http://" + strings.Repeat("a", 80) + "@x.com http://ab", "http://ab@ http://" + strings.Repeat("a", 80) + "@x.com http://ab"},
		{"an email address", "to a.b+c@x.com.", "to " + mail("a.b+c@x.com") + "."},
		{"an invalid email address", "@x.com a@b ..@x.com a@b@x.com /a@x.com " + strings.Repeat("a", 65) + "@x.com a..b@x.com", "@x.com a@b ..@x.com a@b@x.com /a@x.com " + strings.Repeat("a", 65) + "@x.com a..b@x.com"},
		{"text around tags that go", "exa<x>mple</x>.com<!-- -->/y", link("http://example.com/y", "example.com/y")},
		{"text around tags that stay", "<b>www.</b>x.com", "<b>www.</b>" + x},
		{"what is a link already", `<a href="https://y.com">x.com</a> <a href="javascript:x">x.com</a>`, link("https://y.com", "x.com") + " <a>x.com</a>"},
		{"a mail link has no rel", `<a href="mailto:a@x.com">a</a>`, `<a href="mailto:a@x.com">a</a>`},
		{"elements that are left alone", "<pre>x.com</pre><code><b>x.com</b></code>x.com", "<pre>x.com</pre><code><b>x.com</b></code>" + x},
		{"text in a table but not in a cell", "<table>x.com<tr><td>x.com", "<table>x.com<tr><td>" + x + "</td></tr></table>"},
		{"entities end an address", "&lt;x.com/&gt;&quot;x.com&quot;", "&lt;" + link("http://x.com/", "x.com/") + `&gt;"` + x + `"`},
		{"bidi controls end an address", "http://x.com/\u202egnp.exe", link("http://x.com/", "http://x.com/") + "\u202egnp.exe"},
		{"a name that is too long", strings.Repeat("a", 64) + ".com " + strings.Repeat("a.", 130) + "com", strings.Repeat("a", 64) + ".com " + strings.Repeat("a.", 130) + "com"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got := h.Clean(tt.in)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, got, h.Clean(got), "idempotent")
		})
	}
}

func TestLinkifyComposes(t *testing.T) {
	secure := policy(t, new(markup.Policy), markup.AllowSchemes("https"), markup.Linkify(), markup.LinkifyEmails())
	assert.Equal(t, `<a href="https://x.com" rel="nofollow">x.com</a> http://x.com a@x.com`, secure.Clean("x.com http://x.com a@x.com"))
	none := policy(t, new(markup.Policy), markup.AllowSchemes("ftp"), markup.Linkify())
	assert.Equal(t, "x.com", none.Clean("x.com"))
	shown := policy(t, markup.Basic(), markup.Linkify())
	assert.Equal(t, `&lt;x&gt;<a href="http://x.com" rel="nofollow">x.com</a>&lt;/x&gt;`, shown.Clean("<x>x.com</x>"))
	assert.Equal(t, "x.com", markup.Basic().Clean("x.com"), "With changes a copy")
	again := policy(t, policy(t, markup.UGC(), markup.Linkify("pre")), markup.AllowTags("font"), markup.AllowAttrs("font", "color"))
	assert.Equal(t, `<pre>x.com</pre><font color="red" dir="ltr">a</font>`, again.Clean("<pre>x.com</pre><font color=red dir=ltr>a</font>"))
	deep := policy(t, markup.UGC(), markup.Linkify())
	in := strings.Repeat("<div>", 100) + "x.com"
	assert.Equal(t, deep.Clean(in), deep.Clean(deep.Clean(in)))
	assert.NotContains(t, deep.Clean(in), "<a")
	_, err := markup.New(markup.Linkify("pre"))
	assert.Equal(t, []string{"skip: unknown: pre"}, mistakes(err))
}

// TestLinkifyOracle compares with bleach.linkify, which adds links to a text
// but does not clean it. Ours cleans: so what bleach made is cleaned, too, by
// the policy without links.
func TestLinkifyOracle(t *testing.T) {
	raw, err := os.ReadFile("testdata/bleach_linkify.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Input   string
			Linkify string
			Email   string `json:"linkify_email"`
			SkipPre string `json:"linkify_skip_pre"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	base := policy(t, new(markup.Policy), markup.AllowTags("a", "b", "pre"), markup.AllowAttrs("a", "href", "rel"), markup.AllowSchemes("http", "https", "ftp", "mailto"))
	differs := linkifyDifferences()
	equal, total := 0, 0
	for _, c := range file.Cases {
		for name, p := range map[string]struct {
			h    *markup.Policy
			want string
		}{
			"linkify":  {policy(t, base, markup.Linkify()), c.Linkify},
			"email":    {policy(t, base, markup.Linkify(), markup.LinkifyEmails()), c.Email},
			"skip pre": {policy(t, base, markup.Linkify("pre")), c.SkipPre},
		} {
			total++
			id, got := [2]string{c.Input, name}, p.h.Clean(c.Input)
			want, known := differs[id]
			delete(differs, id)
			switch same := dom(t, got) == dom(t, p.want); {
			case same && !known:
				equal++
			case same:
				t.Errorf("%q: no difference any more", id)
			default:
				assert.Equal(t, want.ours, got, "%q\n bleach %q", id, p.want)
			}
		}
	}
	assert.Empty(t, differs, "not recorded")
	t.Logf("%d of %d equal as DOM", equal, total)
	assert.Equal(t, total-7, equal)
}

// linkifyDifferences has the seven outcomes that are not bleach's, with the reason
// for each: there is one to keep, for all of them.
func linkifyDifferences() map[[2]string]struct{ ours, reason string } {
	const (
		script  = `<a href="http://x.com/" rel="nofollow">http://x.com/</a>`
		comment = "text  text"
		user    = `<a href="http://user:pw@x.com/" rel="nofollow">http://user:pw@x.com/</a>`
	)
	type outcome = struct{ ours, reason string }
	return map[[2]string]outcome{
		{"http://x.com/<script>", "linkify"}:            {script, "bleach.linkify lets a script pass; ours cleans"},
		{"http://x.com/<script>", "email"}:              {script, "the same"},
		{"http://x.com/<script>", "skip pre"}:           {script, "the same"},
		{"text <!-- http://x.com --> text", "linkify"}:  {comment, "bleach.linkify lets a comment pass; ours cleans"},
		{"text <!-- http://x.com --> text", "email"}:    {comment, "the same"},
		{"text <!-- http://x.com --> text", "skip pre"}: {comment, "the same"},
		{"http://user:pw@x.com/", "email"}:              {user, "bleach takes the end of the URL, pw@x.com, for an email address, and leaves its beginning as text"},
	}
}
