package integration_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ecolaura/rampart/cors"
)

// corsFetch is one fetch that a page makes, as its script gets it.
type corsFetch struct {
	ID          int               `json:"id"`
	URL         string            `json:"url"`
	Method      string            `json:"method"`
	Headers     map[string]string `json:"headers"`
	Credentials string            `json:"credentials"`
	policy      cors.Config
}

// corsOutcome is what the page saw: whether it could read the answer, and
// which headers of it.
type corsOutcome struct {
	ID      int  `json:"id"`
	Read    bool `json:"read"`
	Exposed bool `json:"exposed"`
	Hidden  bool `json:"hidden"`
}

const corsScript = `Promise.all(%s.map(async f => {
	try {
		const r = await fetch(f.url, {method: f.method, headers: f.headers, credentials: f.credentials, mode: 'cors'});
		return {id: f.id, read: true, exposed: r.headers.get('X-Exposed') === 'e', hidden: r.headers.get('X-Hidden') === 'h'};
	} catch (e) {
		return {id: f.id, read: false, exposed: false, hidden: false};
	}
}))`

// TestChromiumJudgesAsCheckDoes lets pages of allowed and denied origins fetch,
// and compares what the browser lets them read with what Check said of each
// request that it sent.
func TestChromiumJudgesAsCheckDoes(t *testing.T) {
	var (
		mu       sync.Mutex
		verdicts = map[int][]bool{} // by fetch: what Check said of its requests
		layers   []*cors.CORS
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "api.") && !strings.HasPrefix(r.Host, "other.") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>page</title>")
			return
		}
		policy, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		n, _ := strconv.Atoi(policy)
		id, _ := strconv.Atoi(r.URL.Query().Get("id"))
		v, err := layers[n].Check(r)
		mu.Lock()
		verdicts[id] = append(verdicts[id], err == nil && v.Allowed)
		mu.Unlock()
		layers[n].Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Exposed", "e")
			w.Header().Set("X-Hidden", "h")
			switch path {
			case "same": // stays on this origin
				http.Redirect(w, r, "/"+policy+"/end?id="+strconv.Itoa(id), http.StatusTemporaryRedirect)
			case "away": // to another origin: the browser then says Origin: null
				host := strings.Replace(r.Host, "api.", "other.", 1)
				http.Redirect(w, r, "http://"+host+"/"+policy+"/end?id="+strconv.Itoa(id), http.StatusTemporaryRedirect)
			default:
				fmt.Fprint(w, "answer")
			}
		})).ServeHTTP(w, r)
	}))
	defer srv.Close()
	p := port(t, srv.Listener.Addr())
	app, sub := "http://app.test:"+p, "http://*.shop.test:"+p
	policies := []cors.Config{
		{Origins: []string{app, sub}, Methods: []string{"PUT", "PATCH"}, RequestHeaders: []string{"Authorization", "X-Custom"}, ResponseHeaders: []string{"X-Exposed"}},
		{Origins: []string{app, sub}, Credentials: true, DangerouslyAllowInsecureOrigins: true, Methods: []string{"*"}, RequestHeaders: []string{"*"}, ResponseHeaders: []string{"X-Exposed"}},
		{Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}, ResponseHeaders: []string{"*"}},
		{Origins: []string{"http://nobody.test:" + p}, ResponseHeaders: []string{"X-Exposed"}},
	}
	for _, cfg := range policies {
		cfg.Logger = slog.New(slog.DiscardHandler)
		layer, err := cors.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}

	// What each page fetches of each policy.
	kinds := []struct {
		path, method, credentials string
		headers                   map[string]string
	}{
		{"end", "GET", "omit", nil},
		{"end", "POST", "omit", map[string]string{"Content-Type": "text/plain"}},
		{"end", "POST", "include", map[string]string{"Content-Type": "application/json"}},
		{"end", "PUT", "omit", map[string]string{"X-Custom": "1"}},
		{"end", "PATCH", "omit", map[string]string{"Authorization": "Bearer x"}},
		{"end", "DELETE", "include", nil},
		{"end", "GET", "include", map[string]string{"X-Other": "1"}},
		{"same", "GET", "omit", nil},
		{"away", "GET", "omit", nil},
	}
	ctx := browser(t)
	id, read, total := 0, 0, 0
	for _, page := range []string{"app.test", "a.b.shop.test", "shop.test", "evil.test", "xapp.test"} {
		if err := chromedp.Do(ctx, chromedp.Navigate("http://"+page+":"+p+"/")); err != nil {
			t.Fatal(err)
		}
		var fetches []corsFetch
		for n, policy := range policies {
			for _, k := range kinds {
				id++
				fetches = append(fetches, corsFetch{
					ID: id, Method: k.method, Headers: k.headers, Credentials: k.credentials, policy: policy,
					URL: fmt.Sprintf("http://api.test:%s/%d/%s?id=%d", p, n, k.path, id),
				})
			}
		}
		list, err := json.Marshal(fetches)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := chromedp.Run(ctx, chromedp.Evaluate[[]corsOutcome](fmt.Sprintf(corsScript, list), chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range outcomes {
			f := fetches[i]
			total++
			mu.Lock()
			said := verdicts[f.ID]
			mu.Unlock()
			want := len(said) > 0 && !strings.Contains(fmt.Sprint(said), "false")
			// Fetch's CORS check: with credentials the answer must allow them.
			want = want && (f.Credentials != "include" || f.policy.Credentials)
			if got.Read != want {
				t.Errorf("page %s, %s %s %v, credentials %s: the browser reads: %t, Check said %v", page, f.Method, f.URL, f.Headers, f.Credentials, got.Read, said)
			}
			if got.Read {
				read++
				if !got.Exposed || got.Hidden != (f.policy.ResponseHeaders[0] == "*") {
					t.Errorf("page %s, %s: exposed %t, hidden %t", page, f.URL, got.Exposed, got.Hidden)
				}
			}
		}
	}
	if total < 60 || read < 20 || read > total-60 {
		t.Errorf("%d fetches, %d read: not a fair mix", total, read)
	}
	t.Logf("%d fetches, %d of them readable", total, read)
}
