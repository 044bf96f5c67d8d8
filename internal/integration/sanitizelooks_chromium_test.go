package integration_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// TestChromiumShowsWhatIsCleanedAsItWas compares pictures of what goldmark and three
// editors write with pictures of it after cleaning. A checkbox that can be
// ticked may look different, so they have no checkboxes.
func TestChromiumShowsWhatIsCleanedAsItWas(t *testing.T) {
	images := markup.AllowDataImages(1000, "image/png")
	markdown, err := markup.Markdown().With(images)
	if err != nil {
		t.Fatal(err)
	}
	editor, err := markup.Editor().With(images, markup.AllowFrames("www.youtube-nocookie.com"))
	if err != nil {
		t.Fatal(err)
	}
	sample := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "..", "sanitize", "markup", "testdata", "looks", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), `<input type="checkbox"`, `<input disabled type="checkbox"`)
	}
	var fromMarkdown, asXHTML bytes.Buffer
	all := goldmark.WithExtensions(extension.GFM, extension.DefinitionList, extension.Footnote, extension.Typographer, extension.CJK)
	headings := goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithAttribute())
	for out, options := range map[*bytes.Buffer]goldmark.Option{
		&fromMarkdown: goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe()),
		&asXHTML:      goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe(), goldmarkhtml.WithXHTML(), goldmarkhtml.WithHardWraps()),
	} {
		if err := goldmark.New(all, headings, options).Convert([]byte(sample("goldmark.md")), out); err != nil {
			t.Fatal(err)
		}
	}
	style := sample("looks.css")
	shown := "" // in the body of the page
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>x</title><style>", style, "</style><body>", shown, "</body>")
	}))
	defer server.Close()
	ctx := browser(t)
	picture := func(body string) image.Image {
		t.Helper()
		shown = body
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
			t.Fatal(err)
		}
		shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := png.Decode(bytes.NewReader(shot))
		if err != nil {
			t.Fatal(err)
		}
		return decoded
	}
	for name, text := range map[string]struct {
		policy *markup.Policy
		in     string
	}{
		"goldmark": {markdown, fromMarkdown.String()}, "goldmark as XHTML": {markdown, asXHTML.String()}, "goldmark, by the editors' policy": {editor, fromMarkdown.String()},
		"TinyMCE": {editor, sample("tinymce.html")}, "Quill": {editor, sample("quill.html")}, "ProseMirror": {editor, sample("prosemirror.html")},
	} {
		before, out := picture(text.in), text.policy.Clean(text.in)
		if n := different(before, picture(out)); n != 0 {
			t.Errorf("%s: %d pixels of %v are different: %s", name, n, before.Bounds(), out)
		}
		if n := different(before, picture(markup.UGC().Clean(text.in))); n == 0 {
			t.Errorf("%s: the test does not notice what UGC takes away", name)
		}
		if out != text.policy.Clean(out) {
			t.Errorf("%s: another outcome when it is cleaned again", name)
		}
		t.Logf("%s: %v pixels", name, before.Bounds())
	}
}

// different counts the pixels in which two pictures differ.
func different(a, b image.Image) int {
	if a.Bounds() != b.Bounds() {
		return max(a.Bounds().Dx()*a.Bounds().Dy(), b.Bounds().Dx()*b.Bounds().Dy())
	}
	n := 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			if a.At(x, y) != b.At(x, y) {
				n++
			}
		}
	}
	return n
}
