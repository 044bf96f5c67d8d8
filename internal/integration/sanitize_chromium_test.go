package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// provoke runs in every page before its own scripts. It replaces alert in every
// frame, since all vectors call it. Once the top page is parsed, it fires every
// kind of event at every element and follows what is no plain link; it waits until
// the page is loaded, and two seconds more for what comes late. Then it sends the
// outcome to the server: a large script sent to Chromium by its debugging protocol
// now and then gets no response.
const provoke = `window.alert = () => { try { top.hits = (top.hits || 0) + 1 } catch { top.postMessage("hit", "*") } };
if (window === top) {
  addEventListener("message", e => { if (e.data === "hit") top.hits = (top.hits || 0) + 1 });
  addEventListener("DOMContentLoaded", async () => {
    document.addEventListener("click", e => {
      const a = e.target.closest && e.target.closest("a");
      if (a && a.protocol !== "javascript:") e.preventDefault();
    }, true);
    const names = new Set();
    for (const key in document.createElement("a")) if (key.startsWith("on")) names.add(key.slice(2));
    for (const el of document.querySelectorAll("body *")) {
      for (const name of names) if (el.hasAttribute("on" + name)) el.dispatchEvent(new Event(name, { cancelable: true }));
      if (el.tagName === "A" && el.protocol === "javascript:") el.click();
    }
    for (let i = 0, loaded = 0; i < 60 && loaded < 4; i++) {
      await new Promise(done => setTimeout(done, 500));
      if (document.readyState === "complete") loaded++;
    }
    const elements = [...document.querySelectorAll("body > :not(script)")];
    fetch("/outcome", { method: "POST", body: JSON.stringify({ ran: window.hits || 0, divs: elements.every(e => e.tagName === "DIV") ? elements.length : -1, wrong: window.wrong || [] }) });
  });
}`

// cleanedPage is what one page reports of itself.
type cleanedPage struct {
	Ran  int // calls of alert
	Divs int // elements of the body but scripts, or -1 if one of them is no div

	Wrong []string // what a script of the page found
}

// TestChromiumRunsNothingOfWhatIsCleaned cleans public cross-site scripting
// vectors, alone and as parts of attributes, and shows the outcome to Chromium in
// the three ways in which it gets into a page. The vectors as they are run there.
func TestChromiumRunsNothingOfWhatIsCleaned(t *testing.T) {
	var vectors []string
	readJSON(t, "xss_vectors.json", &vectors)
	linked, err := markup.UGC().With(markup.Linkify(), markup.LinkifyEmails())
	if err != nil {
		t.Fatal(err)
	}
	var cleaned []string
	for _, v := range vectors {
		for _, h := range []*markup.Policy{markup.Basic(), linked, markup.Markdown(), richest(t)} {
			cleaned = append(cleaned, h.Clean(v), h.Clean(`<a href="`+v+`" title="`+v+`">x</a>`), h.Clean(`<img src='`+v+`' alt='`+v+`'>`), h.Clean("<b title="+v+">x"))
		}
	}
	written := new(strings.Builder) // by a server, as content and in an attribute
	for _, s := range cleaned {
		fmt.Fprintf(written, "<div title=\"%s\">%s</div>", html.EscapeString(s), s)
	}
	asHTML := func(list []string) string {
		return fmt.Sprintf(`<script>for (const s of %s) { const div = document.createElement("div"); div.innerHTML = s; document.body.append(div) }</script>`, script(t, list))
	}
	pages := map[string]string{
		"/html":       asHTML(cleaned),
		"/attributes": fmt.Sprintf(`<script>for (const s of %s) { const a = document.createElement("a"); a.title = s; a.className = s; a.setAttribute("data-x", s); document.body.append(a) }</script>`, script(t, cleaned)),
		"/written":    written.String(),
		"/raw":        asHTML(vectors),
	}
	show := shown(t, pages)
	for _, path := range []string{"/html", "/attributes", "/written"} {
		o := show(path)
		if o.Ran > 0 {
			t.Errorf("%s: %d scripts ran", path, o.Ran)
		}
		if path == "/written" && o.Divs != len(cleaned) {
			t.Errorf("%d of %d stayed in their element", o.Divs, len(cleaned))
		}
	}
	ran := show("/raw").Ran
	if ran < 200 {
		t.Errorf("only %d scripts of the vectors as they are ran: the test would not notice much", ran)
	}
	t.Logf("%d vectors, %d outcomes: none ran; %d scripts did before cleaning", len(vectors), len(cleaned), ran)
}

// shown serves pages to Chromium, by their paths. It returns a function that has
// it show one, with provoke in it.
func shown(t *testing.T, pages map[string]string) func(path string) cleanedPage {
	t.Helper()
	outcomes := make(chan cleanedPage, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Path]
		switch {
		case r.URL.Path == "/outcome":
			var o cleanedPage
			if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
				t.Errorf("the page's outcome: %v", err)
			}
			outcomes <- o
		case ok:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>x</title><body>", body, "</body>")
		default:
			http.NotFound(w, r) // images and the like
		}
	}))
	t.Cleanup(server.Close)
	ctx := browser(t)
	if err := chromedp.Do(ctx, prepare); err != nil {
		t.Fatal(err)
	}
	return func(path string) cleanedPage {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+path)); err != nil {
			t.Fatal(path, err)
		}
		select {
		case o := <-outcomes:
			return o
		case <-ctx.Done():
			t.Fatal(path, ctx.Err())
			return cleanedPage{}
		}
	}
}

func prepare(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: provoke})
	return chromedp.Void{}, err
}

// script writes list as a JavaScript array.
func script(t *testing.T, list []string) string {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
