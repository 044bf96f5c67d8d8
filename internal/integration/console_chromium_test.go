package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// Pages as tools build them, by path. Vite makes a data: URL of each asset under 4 KiB;
// the third one breaks the policy, so that the test would see it.
var consolePages = map[string]string{ // read-only
	"/vite": `<!doctype html><html><head><meta charset="utf-8"><link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E">
		<script type="module" crossorigin src="/assets/index.js"></script>
		<link rel="modulepreload" crossorigin href="/assets/vendor.js">
		<link rel="stylesheet" crossorigin href="/assets/index.css"></head><body><div id="root"></div></body></html>`,
	"/plain": `<!doctype html><html><head><meta charset="utf-8"><title>plain</title><link rel="stylesheet" href="/assets/index.css"></head>
		<body><img alt="" src="/assets/dot.svg"><form action="/plain" method="post"><input name="a"></form><p id="done">done</p></body></html>`,
	"/broken": `<!doctype html><html><body><script>1</script><p id="done">done</p></body></html>`,
}

var consoleAssets = map[string][2]string{ // read-only
	"/assets/vendor.js": {"text/javascript", `export const render = (to, make) => to.append(make())`},
	"/assets/index.js": {"text/javascript", `import {render} from '/assets/vendor.js';
		const logo = "data:image/svg+xml,%3csvg%20xmlns='http://www.w3.org/2000/svg'/%3e";
		render(document.getElementById('root'), () => {
			const p = document.createElement('p'), img = document.createElement('img');
			img.src = logo; p.id = 'done'; p.style.color = 'red'; p.append(img);
			return p;
		});
		await import('/assets/lazy.js');
		await fetch('/plain');`},
	"/assets/lazy.js":   {"text/javascript", `export default 1`},
	"/assets/index.css": {"text/css", `body { background: url("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==") }`},
	"/assets/dot.svg":   {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"/>`},
}

// consoleFiles serves testdata/console: what ends in .gz there without that.
func consoleFiles(t *testing.T) http.Handler {
	t.Helper()
	files := http.FileServer(http.Dir("testdata/console"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace("/react"+r.URL.Path, "/react/htmx.min.js", "/htmx.min.js", 1)
		if zipped, err := os.ReadFile("testdata/console" + filepath.Clean(r.URL.Path) + ".gz"); err == nil {
			w.Header().Set("Content-Type", "text/javascript")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// htmxPage is a page whose htmx has this configuration. Its second part comes by
// itself, and brings an indicator with it.
func htmxPage(config string) string {
	return `<!doctype html><html><head><meta charset="utf-8"><title>htmx</title><link rel="icon" href="data:,">
		<meta name="htmx-config" content='` + config + `'><link rel="stylesheet" href="/assets/index.css"><script src="/htmx.min.js"></script></head>
		<body><div hx-get="/htmx-part" hx-trigger="load" hx-swap="outerHTML" hx-indicator="#wait">…</div><img id="wait" class="htmx-indicator" alt="" src="/assets/dot.svg"></body></html>`
}

// A console gathers what Chromium prints.
type console struct {
	mu    sync.Mutex
	lines []string
}

func listen(ctx context.Context) *console {
	c := new(console)
	listening := make(chan struct{})
	go func() {
		close(listening)
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return // the browser is closed
			}
			c.mu.Lock()
			c.lines = append(c.lines, message.String())
			c.mu.Unlock()
		}
	}()
	<-listening
	return c
}

// visit returns the lines that a page makes Chromium print.
func (c *console) visit(ctx context.Context, t *testing.T, url string) []string {
	t.Helper()
	c.mu.Lock()
	c.lines = nil
	c.mu.Unlock()
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#done")))
	// What the page asked for has come by then, and been judged.
	_, err := chromedp.Run(ctx, chromedp.Evaluate[int](`new Promise(done => setTimeout(done, 300, 1))`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

func TestChromiumHasNothingToSayOfPagesUnderPresetWeb(t *testing.T) {
	web, err := headers.New(headers.Web("app.example:*"))
	require.NoError(t, err)
	nonced, err := web.Route(func(c *headers.Config) { c.CSP.Style = []headers.Source{headers.Self, headers.WithNonce} })
	require.NoError(t, err)
	files := consoleFiles(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if asset, ok := consoleAssets[r.URL.Path]; ok {
			w.Header().Set("Content-Type", asset[0])
			fmt.Fprint(w, asset[1])
			return
		}
		if page, ok := consolePages[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, page)
			return
		}
		files.ServeHTTP(w, r)
	})
	// The set-ups that the documentation of package headers names.
	mux.Handle("/htmx-nonced", nonced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce, ok := headers.Nonce(r.Context())
		assert.True(t, ok)
		fmt.Fprint(w, htmxPage(`{"inlineStyleNonce":"`+nonce+`","allowEval":false}`))
	})))
	mux.HandleFunc("/htmx", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, htmxPage(`{"includeIndicatorStyles":false,"allowEval":false}`))
	})
	mux.HandleFunc("/htmx-as-it-comes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, htmxPage(`{}`)) })
	mux.HandleFunc("/htmx-part", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "true", r.Header.Get("HX-Request"))
		fmt.Fprint(w, `<p id="done" hx-get="/htmx-part" hx-trigger="click">done</p>`)
	})
	srv := httptest.NewTLSServer(web.Handler(mux))
	t.Cleanup(srv.Close)
	ctx := browser(t)
	c := listen(ctx)
	visit := func(path string) string {
		return strings.Join(c.visit(ctx, t, "https://app.example:"+port(t, srv.Listener.Addr())+path), "\n")
	}
	require.Eventually(t, func() bool { return strings.Contains(visit("/broken"), "Content Security Policy") }, 20*time.Second, time.Millisecond, "the test sees what the console has")
	for _, path := range []string{"/vite", "/plain", "/", "/htmx", "/htmx-nonced"} { // "/" is React
		assert.Empty(t, visit(path), path)
	}
	assert.Contains(t, visit("/htmx-as-it-comes"), "style-src", "htmx still has to be told to make no inline style")
}
