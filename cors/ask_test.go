package cors_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
)

const tenant = "https://shop.tenant.example"

// tenantFunc is an OriginFunc that knows some origins, and counts.
type tenantFunc struct {
	mu    sync.Mutex
	allow map[string]bool
	asked []string
	wait  time.Duration
	err   error
}

func (ts *tenantFunc) origin(_ context.Context, origin string) (bool, error) {
	time.Sleep(ts.wait)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.asked = append(ts.asked, origin)
	return ts.allow[origin], ts.err
}

func (ts *tenantFunc) calls() []string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	asked := ts.asked
	ts.asked = nil
	return asked
}

func newTenants(origins ...string) *tenantFunc {
	ts := &tenantFunc{allow: map[string]bool{}}
	for _, origin := range origins {
		ts.allow[origin] = true
	}
	return ts
}

// allows asks c about an actual request from another site.
func allows(t *testing.T, c *cors.CORS, origin string) bool {
	t.Helper()
	verdict, _ := c.Check(lines{"Origin", origin, "Sec-Fetch-Site", "cross-site"}.request(t, http.MethodGet))
	return verdict.Allowed
}

func TestOnlyAnOriginThatNothingElseDecidesReachesOriginFunc(t *testing.T) {
	everything := func(context.Context, string) (bool, error) { return true, nil }
	open := cors.Config{Origins: []string{"https://app.example.com", "https://*.shop.example"}}
	private, insecure := open, open
	private.Credentials = true
	insecure.PrivateNetwork, insecure.DangerouslyAllowInsecureOrigins = true, true
	guarded := open
	guarded.PrivateNetwork = true
	tests := []struct {
		desc  string
		cfg   cors.Config
		lines lines
		want  string
	}{
		{"a stranger", open, lines{"Origin", tenant}, tenant},
		{"another port", open, lines{"Origin", "https://app.example.com:8443"}, "https://app.example.com:8443"},
		{"http", open, lines{"Origin", "http://shop.tenant.example"}, "http://shop.tenant.example"},
		{"our own, of a page elsewhere", open, lines{"Origin", "https://api.example.com", "Sec-Fetch-Site", "cross-site"}, "https://api.example.com"},
		{"https, with credentials", private, lines{"Origin", tenant}, tenant},
		{"a local page, with credentials", private, lines{"Origin", "http://localhost:3000"}, "http://localhost:3000"},
		{"http, with a private network and the danger", insecure, lines{"Origin", "http://shop.tenant.example"}, "http://shop.tenant.example"},
		{"http, with credentials", private, lines{"Origin", "http://shop.tenant.example"}, ""},
		{"http, with a private network", guarded, lines{"Origin", "http://shop.tenant.example"}, ""},
		{"no Origin", open, nil, ""},
		{"a listed one", open, lines{"Origin", "https://app.example.com"}, ""},
		{"one below a pattern", open, lines{"Origin", "https://a.b.shop.example"}, ""},
		{"our own", open, lines{"Origin", "https://api.example.com"}, ""},
		{"null", open, lines{"Origin", "null"}, ""},
		{"null of our own page", open, lines{"Origin", "null", "Sec-Fetch-Site", "same-origin"}, ""},
		{"an empty one", open, lines{"Origin", ""}, ""},
		{"garbage", open, lines{"Origin", "https://shop.tenant.example#.shop.example"}, ""},
		{"a path", open, lines{"Origin", tenant + "/"}, ""},
		{"the default port", open, lines{"Origin", tenant + ":443"}, ""},
		{"upper case", open, lines{"Origin", "https://Shop.tenant.example"}, ""},
		{"unicode", open, lines{"Origin", "https://b\u00fccher.example"}, ""},
		{"a list", open, lines{"Origin", tenant + " https://evil.example"}, ""},
		{"two lines", open, lines{"Origin", tenant, "Origin", tenant}, ""},
		{"a file", open, lines{"Origin", "file://host"}, ""},
		{"over-long", open, lines{"Origin", "https://" + strings.Repeat("a.", 126) + "aa"}, ""},
		{"as long as a host may be", open, lines{"Origin", "https://" + strings.Repeat("a.", 126) + "a"}, "https://" + strings.Repeat("a.", 126) + "a"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			var got string
			cfg := tt.cfg
			cfg.OriginFunc = func(ctx context.Context, origin string) (bool, error) {
				got = origin
				return everything(ctx, origin)
			}
			verdict, _ := mustNew(t, cfg).Check(tt.lines.request(t, http.MethodGet))
			assert.Equal(t, tt.want, got)
			if tt.want != "" {
				assert.Equal(t, cors.Verdict{Kind: cors.Actual, Origin: tt.want, Allowed: true}, verdict)
			}
		})
	}
}

func TestOriginFuncDecidesWhatGoesOut(t *testing.T) {
	ts := newTenants(tenant)
	cfg := full()
	cfg.Origins, cfg.OriginFunc = nil, ts.origin
	c := mustNew(t, cfg)
	tests := []struct {
		desc   string
		method string
		lines  lines
		status int
		want   http.Header
	}{
		{"a tenant", "GET", lines{"Origin", tenant}, 200, http.Header{
			"Access-Control-Allow-Origin": {tenant}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Expose-Headers": {"Etag, X-Total"}, "Vary": {"Origin"},
		}},
		{"a stranger", "GET", lines{"Origin", "https://evil.example"}, 200, http.Header{"Vary": {"Origin"}}},
		{"no origin", "GET", nil, 200, http.Header{"Vary": {"Origin"}}},
		{"a tenant's preflight", "OPTIONS", asks(tenant, "PUT", "content-type"), 204, http.Header{
			"Access-Control-Allow-Origin": {tenant}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Allow-Methods": {"PUT"},
			"Access-Control-Allow-Headers": {"content-type"}, "Access-Control-Max-Age": {"600"}, "Vary": {varyAll},
		}},
		{"a tenant's preflight for too much", "OPTIONS", asks(tenant, "PURGE", ""), 403, http.Header{"Vary": {varyAll}}},
		{"a stranger's preflight", "OPTIONS", asks("https://evil.example", "PUT", ""), 403, http.Header{"Vary": {varyAll}}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w, _ := serve(c, tt.lines.request(t, tt.method))
			assert.Equal(t, tt.status, w.Code)
			h := w.Header()
			for _, name := range []string{"Content-Type", "Cache-Control", "X-Content-Type-Options"} {
				h.Del(name) // of the problem
			}
			assert.Equal(t, tt.want, h)
		})
	}
	assert.Equal(t, []string{tenant, "https://evil.example"}, ts.calls())
}

func TestOriginFuncStandsInPlaceOfOriginsButNotBesideEverybody(t *testing.T) {
	f := newTenants().origin
	assert.Empty(t, mistakes(t, cors.Config{OriginFunc: f}))
	assert.Equal(t, []string{"OriginFunc: pointless: "}, mistakes(t, cors.Config{Origins: []string{"*"}, OriginFunc: f}))
}

func TestAnAnswerIsKeptForHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTenants(tenant)
		ts.wait = time.Second
		cfg := cors.Config{OriginFunc: ts.origin, Logger: quiet()}
		c := mustNew(t, cfg)
		both := func() { assert.True(t, allows(t, c, tenant)); assert.False(t, allows(t, c, "https://evil.example")) }
		both()
		assert.Len(t, ts.calls(), 2)
		time.Sleep(28*time.Second - time.Millisecond) // a tenant's answer is as old as its call
		both()
		assert.Empty(t, ts.calls())
		time.Sleep(time.Millisecond)
		ts.allow = map[string]bool{"https://evil.example": true}
		assert.False(t, allows(t, c, tenant))
		assert.True(t, allows(t, c, "https://evil.example"))
		assert.Len(t, ts.calls(), 2)
		assert.False(t, allows(t, c, tenant))
		assert.True(t, allows(t, c, "https://evil.example"))
		assert.Empty(t, ts.calls())

		require.NoError(t, c.Reconfigure(cfg))
		assert.False(t, allows(t, c, tenant))
		assert.Equal(t, []string{tenant}, ts.calls(), "Reconfigure forgets")
	})
}

func TestOriginFuncThatFailsAllowsNobodyAndIsAskedAgain(t *testing.T) {
	broken := errors.New("the database is away")
	for desc, f := range map[string]func(context.Context, string) (bool, error){
		"the database is away": func(context.Context, string) (bool, error) { return true, broken },
		"OriginFunc: panic: 7": func(context.Context, string) (bool, error) { panic(7) },
		"OriginFunc has ended its goroutine": func(context.Context, string) (bool, error) {
			runtime.Goexit()
			return true, nil
		},
		"context deadline exceeded": func(ctx context.Context, _ string) (bool, error) {
			<-ctx.Done()
			return true, ctx.Err()
		},
		"OriginFunc has not answered within 2s": func(context.Context, string) (bool, error) {
			time.Sleep(time.Hour)
			return false, nil
		},
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(eventLog)
				var calls atomic.Int32
				cfg := full()
				cfg.Enforce, cfg.Logger = true, log.logger()
				cfg.OriginFunc = func(ctx context.Context, origin string) (bool, error) {
					calls.Add(1)
					return f(ctx, origin)
				}
				c := mustNew(t, cfg)
				began := time.Now()
				_, err := c.Check(lines{"Origin", tenant}.request(t, "GET"))
				denied, ok := errors.AsType[*cors.DeniedError](err)
				require.True(t, ok)
				assert.Equal(t, cors.OriginUndecided, denied.Denial())
				assert.Equal(t, tenant, denied.Origin)
				assert.Contains(t, []time.Duration{0, 2 * time.Second}, time.Since(began))
				if strings.HasPrefix(desc, "the database") {
					assert.ErrorIs(t, err, broken)
					assert.EqualError(t, err, `cors: origin "https://shop.tenant.example": origin_undecided: the database is away`)
				}
				assert.Empty(t, log.all(t), "Check does not log")

				synctest.Wait() // the call has ended, if it does
				for _, ls := range []lines{{"Origin", tenant}, asks(tenant, "PUT", "")} {
					method := "GET"
					if len(ls) > 2 {
						method = "OPTIONS"
					}
					w, ran := serve(c, ls.request(t, method))
					synctest.Wait()
					assert.False(t, ran)
					assertNoCORS(t, w.Header())
					assert.Equal(t, 503, w.Code)
					assert.Equal(t, "1", w.Header().Get("Retry-After"))
					assert.Contains(t, w.Body.String(), `"code":"cors_unavailable"`)
					assert.Contains(t, w.Header().Get("Vary"), "Origin")
				}
				if desc == "OriginFunc has not answered within 2s" {
					assert.EqualValues(t, 1, calls.Load(), "the call goes on, and is the only one")
				} else {
					assert.EqualValues(t, 3, calls.Load())
				}
				assert.True(t, allows(t, c, "https://app.example.com"), "what is listed needs nobody")
				record := log.all(t)[0]
				assert.Equal(t, "sys_backend_unavailable", record["event"])
				assert.Equal(t, "ERROR", record["level"])
				if !strings.HasPrefix(desc, "context") { // it has both
					assert.Contains(t, record["error"], desc)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestRequestsOfOneOriginMakeOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTenants(tenant)
		ts.wait = time.Second
		c := mustNew(t, cors.Config{OriginFunc: ts.origin})
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { assert.True(t, allows(t, c, tenant)) })
			wg.Go(func() { assert.False(t, allows(t, c, "https://evil.example")) })
		}
		wg.Wait()
		assert.Len(t, ts.calls(), 2)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

// The first client to ask does not take the call along when it leaves.
func TestAClientThatLeavesFailsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(eventLog)
		type key struct{}
		var calls atomic.Int32
		c := mustNew(t, cors.Config{Logger: log.logger(), OriginFunc: func(ctx context.Context, _ string) (bool, error) {
			calls.Add(1)
			assert.Equal(t, "of the first", ctx.Value(key{}))
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 2*time.Second, time.Until(deadline))
			time.Sleep(time.Second)
			return true, ctx.Err()
		}})
		ctx, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "of the first"))
		var wg sync.WaitGroup
		wg.Go(func() {
			w, _ := serve(c, lines{"Origin", tenant}.request(t, "GET").WithContext(ctx))
			assertNoCORS(t, w.Header())
		})
		synctest.Wait()
		wg.Go(func() { assert.True(t, allows(t, c, tenant)) })
		synctest.Wait()
		leave()
		wg.Wait()
		assert.EqualValues(t, 1, calls.Load())
		assert.Empty(t, log.all(t), "no backend is away")
	})
}

// What comes too late for the one who waited is good for the next.
func TestALateAnswerIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTenants(tenant)
		ts.wait = 10 * time.Second
		c := mustNew(t, cors.Config{OriginFunc: ts.origin})
		assert.False(t, allows(t, c, tenant))
		time.Sleep(9 * time.Second)
		assert.True(t, allows(t, c, tenant))
		assert.Len(t, ts.calls(), 1)
		time.Sleep(19 * time.Second) // 30 s after the call began
		ts.wait = 0
		assert.True(t, allows(t, c, tenant))
		assert.Len(t, ts.calls(), 1)
	})
}

func TestAtMost64CallsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		c := mustNew(t, cors.Config{OriginFunc: func(context.Context, string) (bool, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(900 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return true, nil
		}})
		allowed := 0
		var wg sync.WaitGroup
		for i := range 256 {
			wg.Go(func() {
				ok := allows(t, c, fmt.Sprintf("https://%d.example", i))
				mu.Lock()
				defer mu.Unlock()
				if ok {
					allowed++
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 64, most)
		assert.Equal(t, 128, allowed, "the third lot has come too late, the fourth has had no turn")
		time.Sleep(time.Second)
		assert.True(t, allows(t, c, tenant), "every turn has been given back")
		assert.Zero(t, running)
	})
}

func TestStrangersPutNoTenantOutAndTakeNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTenants(tenant)
		c := mustNew(t, cors.Config{OriginFunc: ts.origin})
		assert.True(t, allows(t, c, tenant))
		const strangers = 4096 + 100
		origin := func(i int) string { return fmt.Sprintf("https://%d.evil.example", i) }
		for i := range strangers {
			assert.False(t, allows(t, c, origin(i)))
		}
		assert.Len(t, ts.calls(), 1+strangers)
		assert.True(t, allows(t, c, tenant))
		assert.Empty(t, ts.calls(), "the tenant is still known")
		assert.False(t, allows(t, c, origin(strangers-1)))
		assert.Empty(t, ts.calls(), "and the last stranger")
		for i := range strangers {
			allows(t, c, origin(i))
		}
		assert.GreaterOrEqual(t, len(ts.calls()), 100, "not all of the strangers")
	})
}

func TestOriginFuncUnderLoad(t *testing.T) {
	c := mustNew(t, cors.Config{OriginFunc: func(_ context.Context, origin string) (bool, error) {
		return strings.HasPrefix(origin, "https://tenant-"), nil
	}})
	srv := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				tenant, evil := fmt.Sprintf("https://tenant-%d.example", j%(i+1)), fmt.Sprintf("https://evil-%d.example", j)
				for _, origin := range []string{tenant, evil} {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					r.Header.Set("Origin", origin)
					w := httptest.NewRecorder()
					srv.ServeHTTP(w, r)
					want := ""
					if origin == tenant {
						want = tenant
					}
					assert.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"))
				}
			}
		})
	}
	wg.Wait()
}
