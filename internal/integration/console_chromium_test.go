package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

func TestChromiumHasNothingToSayOfPagesUnderPresetWeb(t *testing.T) {
	web, err := headers.New(headers.Web("app.example:*"))
	require.NoError(t, err)
	srv := httptest.NewTLSServer(web.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asset, ok := consoleAssets[r.URL.Path]; ok {
			w.Header().Set("Content-Type", asset[0])
			fmt.Fprint(w, asset[1])
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, consolePages[r.URL.Path])
	})))
	t.Cleanup(srv.Close)
	ctx := browser(t)
	var (
		mu    sync.Mutex
		lines []string
	)
	listening := make(chan struct{})
	go func() {
		close(listening)
		for message, err := range chromedp.Console(ctx) {
			if err != nil {
				return // the browser is closed
			}
			mu.Lock()
			lines = append(lines, message.String())
			mu.Unlock()
		}
	}()
	<-listening
	visit := func(path string) string {
		mu.Lock()
		lines = nil
		mu.Unlock()
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("https://app.example:"+port(t, srv.Listener.Addr())+path), chromedp.WaitVisible("#done")))
		// What the page asked for has come by then, and been judged.
		_, err := chromedp.Run(ctx, chromedp.Evaluate[int](`new Promise(done => setTimeout(done, 300, 1))`, chromedp.EvalAwaitPromise))
		require.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
	require.Eventually(t, func() bool { return strings.Contains(visit("/broken"), "Content Security Policy") }, 20*time.Second, time.Millisecond, "the test sees what the console has")
	for _, path := range []string{"/vite", "/plain"} {
		assert.Empty(t, visit(path), path)
	}
}
