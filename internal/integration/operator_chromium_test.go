package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// balanced is a proxy that gives each request to the next instance.
func balanced(t *testing.T, instances []*apiServer) *httptest.Server {
	t.Helper()
	var turn atomic.Int64
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			target, err := url.Parse(instances[int(turn.Add(1))%len(instances)].url)
			if err != nil {
				return
			}
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	srv := httptest.NewTLSServer(proxy)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() }) // a page may be live
	return srv
}

// An operatorPage is the console in Chromium.
type operatorPage struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // it is the browser
	base string
	axe  string // the source of axe-core
	*console
}

// axeCore returns the source of axe-core, which make services installs.
func axeCore(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../../.tools/node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "axe", "run `make services`, which needs npm")
	}
	return string(source)
}

// accessible holds the page against axe-core's rules.
func (p *operatorPage) accessible(name string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](p.axe))
	found := eval[string](p, `axe.run().then(r => r.passes.length < 10 ? "axe found nothing to look at" : r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target).join(" ")).join("\n"))`)
	assert.Empty(p.t, found, name)
}

func (p *operatorPage) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		require.NoError(p.t, err, "%s\n%s", p.text(), strings.Join(p.lines, "\n"))
	}
}

func (p *operatorPage) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.base+path), chromedp.WaitVisible("main, footer"))
}

// eval returns what an expression is.
func eval[T any](p *operatorPage, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, script)
	return v
}

// says waits until the page shows a text.
func (p *operatorPage) says(text string, within time.Duration) time.Duration {
	p.t.Helper()
	began := time.Now()
	for !strings.Contains(p.text(), text) {
		if time.Since(began) > within {
			require.Failf(p.t, "not on the page", "%q: %s", text, p.text())
		}
	}
	return time.Since(began)
}

func (p *operatorPage) text() string {
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil { // the page is being replaced
		return ""
	}
	return text
}

func (p *operatorPage) login(user, next string) {
	p.t.Helper()
	p.open("/login?next=" + next)
	p.do(chromedp.SetValue("#u", user), chromedp.SetValue("#p", "correct horse battery staple"), chromedp.Click("main button"))
}

// order gives an order by its form, and returns how long it takes until the page shows
// that it is in force everywhere.
func (p *operatorPage) order(do string, fields ...string) time.Duration {
	p.t.Helper()
	p.open("/console/orders?do=" + do)
	for i := 0; i+1 < len(fields); i += 2 {
		p.do(chromedp.SetValue("#"+do+"-"+fields[i], fields[i+1]))
	}
	p.do(chromedp.Click("#do-"+do+" button"), chromedp.WaitVisible("#note"), chromedp.SetValue("#note", "case 7 <img src=x onerror=alert(1)>"), chromedp.WaitVisible("button.strong"))
	began := time.Now()
	p.do(chromedp.Click("button.strong"), chromedp.WaitVisible("#given"))
	p.says("3 of 3", 10*time.Second)
	return time.Since(began)
}

// shoot keeps a screenshot where RAMPART_SHOTS says, in both widths and colours.
func (p *operatorPage) shoot(name string) {
	p.t.Helper()
	dir := os.Getenv("RAMPART_SHOTS")
	if dir == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			p.do(chromedp.EmulateViewport(width, 844), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				return chromedp.Void{}, err
			})
			png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
			require.NoError(p.t, err)
			require.NoError(p.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o600))
		}
	}
	p.do(chromedp.EmulateViewport(1280, 844))
}

// TestAnOperatorDrivesTheConsole has three instances behind a proxy that gives each
// request to another one.
func TestAnOperatorDrivesTheConsole(t *testing.T) {
	fleet := startAPIs(t, buildAPI(t), 3, append(wideRates(), "-db-timeout", "8s")...) // a busy machine is no outage
	var servers []string
	for _, s := range fleet.instances {
		servers = append(servers, strings.TrimPrefix(s.url, "http://"))
	}
	front := startNginx(t, servers) // as in examples/api/deploy; server-sent events come through it
	ctx := browser(t)
	p := &operatorPage{t: t, ctx: ctx, base: strings.Replace(front.url, "127.0.0.1", "localhost", 1), axe: axeCore(t), console: listen(ctx)}

	p.open("/")
	p.accessible("the shop")

	p.login("bob", "/console/")
	p.says("which bob has not", 10*time.Second)
	p.login("oscar", "/console/")
	p.says("nothing is wrong", 10*time.Second)
	p.says("live,", 10*time.Second)
	assert.Equal(t, 3, eval[int](p, `document.querySelectorAll('#fleet table:first-of-type tbody tr[id]').length`))
	p.open("/console/")
	t.Logf("first paint after %.0f ms", eval[float64](p, `new Promise(r => new PerformanceObserver(l => r(l.getEntries()[0].startTime)).observe({type: "paint", buffered: true}))`))
	assert.Less(t, eval[int](p, `performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation")).reduce((n, e) => n + e.decodedBodySize, 0)`), 200<<10, "the size of page, style and script")
	p.accessible("fleet")
	p.shoot("fleet-quiet")

	// Somebody is refused, and calls themselves what would run in a careless page.
	const evil = `<img src=x onerror=alert(document.domain)>`
	for _, s := range fleet.instances {
		for range 3 {
			s.do(apiRequest{method: "GET", path: "/api/secure/?<script>", from: "203.0.113.9", caller: "Authorization: Bearer " + evil})
		}
		s.do(apiRequest{method: "POST", path: "/api/products/", body: `{}`, from: "203.0.113.9", caller: "Origin: https://evil.example"})
	}
	for _, screen := range []struct{ path, says string }{
		{"now", "authz_fail"},
		{"now?layer=credential&who=203.0.113.9", "GET /api/secure/"},
		{"who", "203.0.113.9"},
		{"who?by=origin", "origin"},
		{"who/one?name=203.0.113.9", "Block"},
		{"who/one?by=subject&name=1", "Live sessions"},
		{"who/one?name=" + url.QueryEscape(evil), evil},
		{"orders", "Give an order"},
		{"keys", "signing"},
		{"help", "Keyboard"},
	} {
		p.open("/console/" + screen.path)
		p.says(screen.says, 10*time.Second)
		p.accessible(screen.path)
		p.shoot(strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-", "<", "", ">", "", "%", "").Replace(screen.path)[:min(len(screen.path), 12)] + "-busy")
	}

	// Each order, and where it is in force.
	subject := func(user string) string {
		caller, _ := fleet.instances[0].login(user)
		var claims struct {
			ID int `json:"user_id"`
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(caller, ".")[1])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &claims))
		return strconv.Itoa(claims.ID)
	}
	alice := subject("alice")
	operator, _ := fleet.instances[0].login("oscar")
	alicesCall, _ := fleet.instances[1].login("alice")
	fleet.instances[1].key(alicesCall)
	for _, order := range [][]string{
		{"block", "prefix", "203.0.113.9"},
		{"tighten", "policy", "anon", "rate", "10/minute"},
		{"lockdown"},
		{"end_subject", "subject", alice},
		{"revoke_owner", "owner", alice},
	} {
		t.Logf("%s: 3 of 3 is shown after %v", order[0], p.order(order[0], order[1:]...))
		p.accessible("given " + order[0])
		p.shoot("given-" + order[0])
	}
	for _, s := range fleet.instances {
		assert.Equal(t, http.StatusForbidden, s.do(apiRequest{method: "GET", path: "/api/public/", from: "203.0.113.9"}).status)
	}
	p.open("/console/orders")
	p.says("is refused", 10*time.Second)
	p.says("<img src=x", 10*time.Second)
	p.shoot("orders-held")
	p.do(chromedp.Click("#force td button"), chromedp.WaitVisible("#given"))

	// An instance that is paused misses what is ordered.
	two := balanced(t, fleet.instances[:2]) // as a proxy does that checks its servers
	p.base = "https://localhost:" + port(t, two.Listener.Addr())
	p.open("/console/")
	fleet.instances[2].signal(syscall.SIGSTOP)
	fleet.instances[0].order(operator, "blocks/", `{"prefix":"198.51.100.9","for":"1h"}`)
	t.Logf("a disagreement is shown after %v", p.says("2 of 3 instances agree", 20*time.Second))
	p.accessible("fleet, an instance is paused")
	p.shoot("fleet-paused")
	fleet.instances[2].signal(syscall.SIGCONT)
	p.says("nothing is wrong", 30*time.Second)

	// A database that is away is said to be, and the console goes on.
	fleet.postgres.stop()
	p.says("database unreachable", 20*time.Second)
	p.says("showing what this instance remembers", 20*time.Second)
	p.open("/console/orders")
	p.says("The audit cannot be read right now", 20*time.Second)
	p.shoot("orders-outage")
	p.open("/console/")
	p.says("database unreachable", 20*time.Second)
	p.shoot("fleet-outage")
	fleet.postgres.start()
	p.says("database\tok", 30*time.Second)
	p.says("alert backend_down", 10*time.Second)

	// The session ends in the middle of an order, and the form stays.
	p.open("/console/orders?do=block&prefix=198.51.100.7")
	fleet.instances[0].order(operator, "sessions/end/", `{"subject":"`+subject("oscar")+`"}`)
	p.do(chromedp.WaitVisible("dialog"))
	p.accessible("the session has ended")
	p.shoot("ended")
	p.do(chromedp.SetValue("#again-name", "oscar"), chromedp.SetValue("#again-password", "correct horse battery staple"), chromedp.Click("dialog button"))
	require.Eventually(t, func() bool { return !eval[bool](p, `document.querySelector('dialog') !== null`) }, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, "198.51.100.7", eval[string](p, `document.getElementById('block-prefix').value`))

	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(t, slices.DeleteFunc(slices.Clone(p.lines), func(line string) bool { return strings.Contains(line, "401") || strings.Contains(line, "403") }))
}
