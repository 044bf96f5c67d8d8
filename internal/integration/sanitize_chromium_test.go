package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// countAlerts replaces alert in every frame: all vectors call it.
const countAlerts = `window.alert = () => { try { top.hits = (top.hits || 0) + 1 } catch { top.postMessage("hit", "*") } };
if (window === top) addEventListener("message", e => { if (e.data === "hit") top.hits = (top.hits || 0) + 1 });`

// provoke fires every kind of event at every element and follows what is no
// plain link, then waits for what loads: two seconds, or on a slow machine until
// as many alerts as expected have come. It returns their number.
const provoke = `(async () => {
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
  for (let i = 0; i < (%d > (window.hits || 0) ? 60 : 4); i++) await new Promise(done => setTimeout(done, 500));
  return window.hits || 0;
})()`

// TestChromiumRunsNothingOfWhatIsCleaned cleans public cross-site scripting
// vectors, alone and as parts of attributes, and shows the outcome to Chromium in
// the three ways in which it gets into a page. The vectors as they are run there.
func TestChromiumRunsNothingOfWhatIsCleaned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "sanitize", "markup", "testdata", "xss_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []string
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	linked, err := markup.UGC().With(markup.Linkify(), markup.LinkifyEmails())
	if err != nil {
		t.Fatal(err)
	}
	var cleaned []string
	for _, v := range vectors {
		for _, h := range []*markup.Policy{markup.Basic(), markup.UGC(), linked} {
			cleaned = append(cleaned, h.Clean(v), h.Clean(`<a href="`+v+`" title="`+v+`">x</a>`), h.Clean(`<img src='`+v+`' alt='`+v+`'>`), h.Clean("<b title="+v+">x"))
		}
	}
	written := new(strings.Builder) // by a server, as content and in an attribute
	for _, s := range cleaned {
		fmt.Fprintf(written, "<div title=\"%s\">%s</div>", html.EscapeString(s), s)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>x</title><body></body>")
		case "/written":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>x</title><body>", written, "</body>")
		default:
			http.NotFound(w, r) // images and the like
		}
	}))
	defer server.Close()
	ctx := browser(t)
	if err := chromedp.Do(ctx, prepare); err != nil {
		t.Fatal(err)
	}
	hits := func(path, fill string, expected int) int {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+path)); err != nil {
			t.Fatal(err)
		}
		if fill != "" {
			if _, err := chromedp.Run(ctx, chromedp.Evaluate[int](fill)); err != nil {
				t.Fatal(err)
			}
		}
		n, err := chromedp.Run(ctx, chromedp.Evaluate[int](fmt.Sprintf(provoke, expected), chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	asHTML := func(list []string) string {
		return fmt.Sprintf(`for (const s of %s) { const div = document.createElement("div"); div.innerHTML = s; document.body.append(div) } 0`, script(t, list))
	}
	if n := hits("/empty", asHTML(cleaned), 0); n > 0 {
		t.Errorf("as innerHTML: %d scripts ran", n)
	}
	inAttributes := fmt.Sprintf(`for (const s of %s) { const a = document.createElement("a"); a.title = s; a.className = s; a.setAttribute("data-x", s); document.body.append(a) } 0`, script(t, cleaned))
	if n := hits("/empty", inAttributes, 0); n > 0 {
		t.Errorf("in attributes: %d scripts ran", n)
	}
	if n := hits("/written", "", 0); n > 0 {
		t.Errorf("in a page: %d scripts ran", n)
	}
	count, err := chromedp.Run(ctx, chromedp.Evaluate[int](`[...document.querySelectorAll("body > *")].every(e => e.tagName === "DIV") ? document.body.children.length : -1`))
	if err != nil {
		t.Fatal(err)
	}
	if count != len(cleaned) {
		t.Errorf("%d of %d stayed in their element", count, len(cleaned))
	}
	ran := hits("/empty", asHTML(vectors), 200)
	if ran < 200 {
		t.Errorf("only %d scripts of the vectors as they are ran: the test would not notice much", ran)
	}
	t.Logf("%d vectors, %d outcomes: none ran; %d scripts did before cleaning", len(vectors), len(cleaned), ran)
}

func prepare(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: countAlerts})
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
