package rampart_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

const allowedOrigin = "https://a.example"

// askWith serves a request in memory as net/http would, with those header fields
// and that writer's answer.
func askWith(t *testing.T, h http.Handler, header http.Header) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, incoming(t, header))
	return w.Result()
}

// served is [askWith] over the wire: a recorder takes an informational header for
// the final one.
func served(t *testing.T, h http.Handler, header http.Header) *http.Response {
	t.Helper()
	web := httptest.NewServer(h)
	defer web.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL, nil)
	require.NoError(t, err)
	maps.Copy(r.Header, header)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

func incoming(t *testing.T, header http.Header) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Host, r.RemoteAddr = "127.0.0.1:80", "127.0.0.1:9"
	maps.Copy(r.Header, header.Clone())
	return r
}

func fromAllowed() http.Header { return http.Header{"Origin": {allowedOrigin}} }

func requestIDs(t *testing.T, header string) layerFunc {
	t.Helper()
	id, err := server.NewRequestID(server.RequestIDConfig{Header: header})
	require.NoError(t, err)
	return id.Handler
}

func headerSet(t *testing.T, change func(*headers.Config)) layerFunc {
	t.Helper()
	cfg := headers.API("127.0.0.1:*")
	cfg.Logger, cfg.DangerouslyAllowHTTP = slog.New(slog.DiscardHandler), true
	change(&cfg)
	h, err := headers.New(cfg)
	require.NoError(t, err)
	return h.Handler
}

// nonces returns a set whose policy has a nonce.
func nonces(t *testing.T) layerFunc {
	t.Helper()
	return headerSet(t, func(cfg *headers.Config) {
		cfg.CSP.Script = []headers.Source{headers.WithNonce}
	})
}

func sharing(t *testing.T, origins ...string) layerFunc {
	t.Helper()
	c, err := cors.New(cors.Config{Origins: origins, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return c.Handler
}

// limit returns a limiter of nine requests an hour.
func limit(t *testing.T, name string, change func(*throttle.Config)) layerFunc {
	t.Helper()
	cfg := throttle.Config{Logger: slog.New(slog.DiscardHandler), Policies: []throttle.Policy{{
		Name: name, Rate: throttle.Rate{Count: 9, Period: time.Hour}, Key: throttle.By("one", func(*http.Request) string { return "one" }),
	}}}
	if change != nil {
		change(&cfg)
	}
	l, err := throttle.New(cfg)
	require.NoError(t, err)
	return l.Handler
}

// opaque hides every layer further out.
type opaque struct{ http.ResponseWriter }

// between are what may stand between two layers of ours.
func between() map[string]layerFunc {
	return map[string]layerFunc{
		"nothing": nil,
		"a foreign writer": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(opaque{w}, r) })
		},
		"a foreign request": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(r.Context())) })
		},
		"a deadline": deadline,
	}
}

// deadline is a foreign layer that sets one, and unwraps the writer.
func deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		if below, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
			_ = below.Unwrap()
		}
		next.ServeHTTP(w, r)
	})
}

// inherited are what a handler reads from its context.
type inherited struct {
	id    string
	addr  netip.Addr
	nonce string
}

func read(ctx context.Context) (v inherited) {
	v.id, _ = rampart.RequestIDFrom(ctx)
	v.addr, _ = rampart.ClientAddrFrom(ctx)
	v.nonce, _ = headers.Nonce(ctx)
	return v
}

// identity are the layers with a value.
func identity(t *testing.T) layerFunc {
	t.Helper()
	layers, _ := everyLayer(t)
	return rampart.Chain(layers["request id"], layers["client address"], nonces(t))
}

// whoCalls notes each caller of a handler.
func whoCalls(seen *[]string) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, _ := rampart.CallerFrom(r.Context())
		*seen = append(*seen, strings.TrimSpace(c.Kind+" "+c.Subject))
	})
}

func TestACallerIsKnownFurtherInOnly(t *testing.T) {
	layers, header := everyLayer(t)
	for name, around := range map[string]layerFunc{
		"no layer around": rampart.Chain(),
		"layers around":   rampart.Chain(identity(t), layers["cors"], layers["throttle"]),
	} {
		for _, guard := range []string{"token", "token, optional", "key"} {
			t.Run(guard+", "+name, func(t *testing.T) {
				var seen []string
				askWith(t, around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					layers[guard](whoCalls(&seen)).ServeHTTP(w, r)
					whoCalls(&seen).ServeHTTP(w, r)
					layers["throttle"](whoCalls(&seen)).ServeHTTP(w, r)
				})), header)
				kind, _, _ := strings.Cut(guard, ",")
				assert.Equal(t, []string{kind + " 42", "", ""}, seen)
			})
		}
	}
}

func TestASubRequestWithOtherCredentialsHasACallerOfItsOwn(t *testing.T) {
	layers, header := everyLayer(t)
	var seen []string
	askWith(t, rampart.Chain(identity(t), layers["token"])(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		layers["key"](whoCalls(&seen)).ServeHTTP(w, r.Clone(r.Context()))
		without := r.Clone(r.Context())
		without.Header.Del("Authorization")
		layers["token, optional"](whoCalls(&seen)).ServeHTTP(w, without)
		whoCalls(&seen).ServeHTTP(w, r)
	})), header)
	assert.Equal(t, []string{"key 42", "", "token 42"}, seen)
}

func TestOneRequestInSeveralGoroutinesHasAnIDOfItsOwnInEach(t *testing.T) {
	h := identity(t)
	askWith(t, h(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		outer := read(r.Context())
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			seen = map[inherited]bool{outer: true}
		)
		for range 8 {
			wg.Go(func() {
				w := httptest.NewRecorder()
				h(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					v := read(r.Context())
					w.WriteHeader(http.StatusOK)
					assert.Equal(t, v.id, w.Header().Get("X-Request-Id"))
					assert.Contains(t, w.Header().Get("Content-Security-Policy"), v.nonce)
					mu.Lock()
					defer mu.Unlock()
					seen[v] = true
				})).ServeHTTP(w, r)
			})
		}
		wg.Wait()
		assert.Len(t, seen, 9)
		assert.Equal(t, outer, read(r.Context()))
	})), nil)
}

func TestAHandlerThatGoesOnAfterItsTimeoutReadsItsContext(t *testing.T) {
	for name, inside := range map[string]layerFunc{"layers outside": rampart.Chain(), "layers inside too": identity(t)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outer, answered := identity(t), make(chan struct{})
				slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					before := read(r.Context())
					<-r.Context().Done()
					for range 100 {
						assert.Equal(t, before, read(r.Context()), "beside the end of the layers around")
					}
					<-answered
					assert.Equal(t, before, read(r.Context()))
					w.Header().Set("X-Frame-Options", "SAMEORIGIN")
					_, err := fmt.Fprint(w, "late")
					assert.ErrorIs(t, err, http.ErrHandlerTimeout)
				})
				resp := askWith(t, outer(http.TimeoutHandler(inside(slow), time.Second, "too late")), nil)
				assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				assert.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
				close(answered)
				synctest.Wait()
			})
		})
	}
}

func TestAGoroutineThatOutlivesItsHandlerReadsWhatItWasGiven(t *testing.T) {
	h := identity(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		askWith(t, h(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			given := read(r.Context())
			wg.Go(func() {
				assert.Equal(t, given, read(r.Context()), "beside the end of the handler")
				<-done
				assert.Equal(t, given, read(r.Context()), "after other requests")
			})
			fmt.Fprint(w, "x")
		})), nil)
	}
	close(done)
	wg.Wait()
}

// A foreign layer starts a goroutine that logs, say, and serves on.
func TestTheContextMayBeAskedWhileLayersJoin(t *testing.T) {
	layers, _ := everyLayer(t)
	var wg sync.WaitGroup
	foreign := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 4 {
				wg.Go(func() {
					for range 50 {
						if v := read(r.Context()); v.addr.IsValid() {
							assert.Equal(t, "127.0.0.1", v.addr.String())
						}
						_, _ = headers.Scheme(r.Context())
						_, _ = rampart.TraceParentFrom(r.Context())
					}
				})
			}
			next.ServeHTTP(w, r)
		})
	}
	for name, h := range map[string]layerFunc{
		"the id around":      rampart.Chain(layers["request id"], foreign, layers["client address"], nonces(t), layers["cors"], layers["throttle"]),
		"the address around": rampart.Chain(layers["client address"], foreign, nonces(t), layers["request id"], layers["throttle"], layers["cors"]),
		"the set around":     rampart.Chain(nonces(t), foreign, layers["request id"], layers["client address"]),
	} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				askWith(t, h(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), nil)
			}
			wg.Wait()
		})
	}
}

func TestARouteMayChangeTheSetWhileTheContextIsAsked(t *testing.T) {
	cfg := headers.API("127.0.0.1:*")
	h, err := headers.New(cfg)
	require.NoError(t, err)
	route, err := h.Route(func(cfg *headers.Config) {
		cfg.CSP.Script = []headers.Source{headers.WithNonce}
	})
	require.NoError(t, err)
	var wg sync.WaitGroup
	served := h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := make(chan struct{})
		wg.Go(func() {
			_, _ = headers.Scheme(r.Context())
			close(started)
			for range 50 {
				_, _ = headers.Scheme(r.Context())
				_ = read(r.Context())
			}
		})
		<-started
		route(http.NotFoundHandler()).ServeHTTP(w, r)
	}))
	for range 50 {
		askWith(t, served, nil)
	}
	wg.Wait()
}

func TestALayerFurtherInHasAValueOfItsOwn(t *testing.T) {
	own, err := server.NewClientIP(rampart.Proxies{})
	require.NoError(t, err)
	believing, err := server.NewClientIP(rampart.Proxies{Prefixes: networks("127.0.0.0/8")})
	require.NoError(t, err)
	outer := rampart.Chain(requestIDs(t, ""), own.Handler, nonces(t))
	inner := rampart.Chain(requestIDs(t, ""), believing.Handler, nonces(t))
	for name, foreign := range between() {
		t.Run(name, func(t *testing.T) {
			var outside, inside inherited
			resp := askWith(t, outer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rampart.Chain(foreign, inner)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					inside = read(r.Context())
				})).ServeHTTP(w, r)
				outside = read(r.Context())
			})), http.Header{"X-Forwarded-For": {"203.0.113.9"}})
			assert.Len(t, inside.id, 32)
			assert.NotEqual(t, inside.id, outside.id)
			assert.Equal(t, []string{outside.id}, resp.Header["X-Request-Id"])
			assert.Equal(t, []string{"203.0.113.9", "127.0.0.1"}, []string{inside.addr.String(), outside.addr.String()})
			assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "'nonce-"+inside.nonce+"'")
		})
	}
}

// nested tries two layers, one in the other, with everything in between.
func nested(t *testing.T, outer, inner layerFunc, next http.HandlerFunc, check func(t *testing.T, h http.Header)) {
	t.Helper()
	nestedIn(t, nil, outer, inner, next, check)
	t.Run("an id around", func(t *testing.T) { nestedIn(t, requestIDs(t, ""), outer, inner, next, check) })
}

func nestedIn(t *testing.T, around, outer, inner layerFunc, next http.HandlerFunc, check func(t *testing.T, h http.Header)) {
	t.Helper()
	for name, foreign := range between() {
		t.Run(name, func(t *testing.T) {
			check(t, served(t, rampart.Chain(around, outer, foreign, inner)(next), fromAllowed()).Header)
		})
	}
}

func empty(http.ResponseWriter, *http.Request) {}

func TestVaryNamesOnceWhatEachLayerGoesBy(t *testing.T) {
	layers, _ := everyLayer(t)
	compressing := func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Vary", "Accept-Encoding") }
	for name, pair := range map[string][2]layerFunc{
		"keys in cors":   {layers["cors"], layers["key, optional"]},
		"cors in keys":   {layers["key, optional"], layers["cors"]},
		"cors in cors":   {rampart.Chain(layers["cors"], layers["key, optional"]), layers["cors"]},
		"a set in both":  {rampart.Chain(layers["cors"], layers["key, optional"]), layers["headers"]},
		"both in a set":  {layers["headers"], rampart.Chain(layers["cors"], layers["key, optional"])},
		"one and a set":  {rampart.Chain(layers["key, optional"], layers["headers"]), layers["cors"]},
		"keys over keys": {rampart.Chain(layers["key, optional"], layers["cors"]), layers["key, optional"]},
	} {
		t.Run(name, func(t *testing.T) {
			nested(t, pair[0], pair[1], compressing, func(t *testing.T, h http.Header) {
				assert.ElementsMatch(t, []string{"Accept-Encoding", "Origin", "X-Api-Key"}, h["Vary"])
			})
		})
	}
}

func TestAProblemIsNeverStoredWhateverTheSetSays(t *testing.T) {
	stored := headerSet(t, func(cfg *headers.Config) { cfg.CacheControl = "private, max-age=60" })
	problem := (&rampart.Problem{Status: http.StatusConflict}).ServeHTTP
	for name, pair := range map[string][2]layerFunc{
		"a set around": {stored, sharing(t, allowedOrigin)},
		"a set inside": {sharing(t, allowedOrigin), stored},
		"two sets":     {stored, stored},
	} {
		t.Run(name, func(t *testing.T) {
			nested(t, pair[0], pair[1], problem, func(t *testing.T, h http.Header) {
				assert.Equal(t, []string{"no-store"}, h["Cache-Control"])
			})
			nested(t, pair[0], pair[1], empty, func(t *testing.T, h http.Header) {
				assert.Equal(t, []string{"private, max-age=60"}, h["Cache-Control"])
			})
		})
	}
}

func TestTwoLimitersBothSayWhatIsLeftTheOuterFirst(t *testing.T) {
	type told = func(*throttle.Config)
	for name, set := range map[string]told{"draft": nil, "both": func(cfg *throttle.Config) { cfg.Headers = throttle.Both }} {
		t.Run(name, func(t *testing.T) {
			many := func(cfg *throttle.Config) {
				cfg.Policies[0].Rate.Count = 99
				if set != nil {
					set(cfg)
				}
			}
			for foreignName, foreign := range between() {
				t.Run(foreignName, func(t *testing.T) {
					h := rampart.Chain(limit(t, "outer", many), foreign, limit(t, "inner", set))(http.HandlerFunc(empty))
					got := askWith(t, h, nil).Header
					require.Len(t, got["Ratelimit"], 2)
					assert.Contains(t, got["Ratelimit"][0], `"outer";r=98`)
					assert.Contains(t, got["Ratelimit"][1], `"inner";r=8`)
					assert.Equal(t, []string{`"outer";q=99;w=3600`, `"inner";q=9;w=3600`}, got["Ratelimit-Policy"])
					if set != nil {
						assert.Equal(t, []string{"98"}, got["X-Ratelimit-Remaining"])
					}
				})
			}
		})
	}
}

func TestOfTwoSetsTheInnerDecidesAndTheOuterFillsIn(t *testing.T) {
	outer := headerSet(t, func(cfg *headers.Config) { cfg.Extra = map[string]string{"X-Outer": "1"} })
	inner := headerSet(t, func(cfg *headers.Config) {
		cfg.FrameOptions, cfg.ReferrerPolicy, cfg.CacheControl = "SAMEORIGIN", headers.Off, headers.Off
		cfg.Extra = map[string]string{"X-Inner": "1"}
	})
	for name, next := range map[string]http.HandlerFunc{
		"nothing written": empty,
		"a look at it":    func(w http.ResponseWriter, _ *http.Request) { _ = w.Header() },
		"a type":          func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "a/b") },
		"a body":          func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") },
		"early hints":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103) },
	} {
		t.Run(name, func(t *testing.T) {
			nested(t, outer, inner, next, func(t *testing.T, h http.Header) {
				for name, want := range map[string]string{
					"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
					"X-Outer": "1", "X-Inner": "1", "X-Content-Type-Options": "nosniff",
				} {
					assert.Equal(t, []string{want}, h[name], name)
				}
			})
		})
	}
}

func TestOfTwoCORSLayersTheOuterDecides(t *testing.T) {
	a, b := sharing(t, allowedOrigin), sharing(t, "https://b.example")
	nested(t, a, b, empty, func(t *testing.T, h http.Header) {
		assert.Equal(t, []string{allowedOrigin}, h["Access-Control-Allow-Origin"])
	})
	nested(t, b, a, empty, func(t *testing.T, h http.Header) {
		assert.Empty(t, h["Access-Control-Allow-Origin"])
	})
	nested(t, a, a, empty, func(t *testing.T, h http.Header) {
		assert.Equal(t, []string{allowedOrigin}, h["Access-Control-Allow-Origin"])
		assert.Equal(t, []string{"Origin"}, h["Vary"])
	})
}

func TestWhatASetRemovesNoLayerFurtherInSends(t *testing.T) {
	backends := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Correlation", "a backend's")
		w.Header().Set("X-Request-Id", "a backend's")
		w.Header().Add("Ratelimit", "a backend's")
	}
	removing := func(names ...string) layerFunc {
		return headerSet(t, func(cfg *headers.Config) { cfg.Remove = names })
	}
	for name, tt := range map[string]struct {
		remove string
		layer  layerFunc
	}{
		"the id":                {"X-Request-ID", requestIDs(t, "")},
		"an id of another name": {"X-Correlation", requestIDs(t, "X-Correlation")},
		"the limit":             {"RateLimit", limit(t, "one", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			for next, handler := range map[string]http.HandlerFunc{"nothing written": empty, "a backend's": backends} {
				t.Run(next, func(t *testing.T) {
					nestedIn(t, nil, removing(tt.remove), tt.layer, handler, func(t *testing.T, h http.Header) {
						assert.NotContains(t, h, http.CanonicalHeaderKey(tt.remove))
					})
					got := askWith(t, rampart.Chain(tt.layer, removing(tt.remove))(handler), nil).Header
					require.Len(t, got[http.CanonicalHeaderKey(tt.remove)], 1, "of the layer around")
					assert.NotContains(t, got.Get(tt.remove), "backend")
				})
			}
		})
	}
}

// everyWay are ways to put id, headers, cors and throttle around each other.
func everyWay(t *testing.T) map[string]layerFunc {
	t.Helper()
	layers, _ := everyLayer(t)
	id, addr, set, share, limits := layers["request id"], layers["client address"], layers["headers"], layers["cors"], layers["throttle"]
	return map[string]layerFunc{
		"the usual order": rampart.Chain(id, addr, set, share, limits),
		"the set outside": rampart.Chain(set, share, limits, id, addr),
		"the set inside":  rampart.Chain(limits, id, share, addr, set),
		"cors outside":    rampart.Chain(share, id, set, limits),
	}
}

func TestAHandlerNeitherSeesNorChangesWhatLayersSayAtTheLastMoment(t *testing.T) {
	hidden := []string{"X-Request-Id", "Access-Control-Allow-Origin", "Ratelimit", "Ratelimit-Policy", "Vary"}
	for name, layer := range everyWay(t) {
		t.Run(name, func(t *testing.T) {
			for does, change := range map[string]func(h http.Header, name string){
				"deletes": func(h http.Header, name string) { h.Del(name) },
				"sets":    func(h http.Header, name string) { h.Set(name, "mine") },
			} {
				got := askWith(t, layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					for _, name := range hidden {
						assert.NotContains(t, w.Header(), name)
						change(w.Header(), name)
					}
				})), fromAllowed()).Header
				assert.Len(t, got.Get("X-Request-Id"), 32, does)
				assert.Equal(t, []string{allowedOrigin}, got["Access-Control-Allow-Origin"], does)
				assert.True(t, strings.HasPrefix(got.Get("Ratelimit"), `"all";r=`), does)
				assert.True(t, strings.HasPrefix(got.Get("Ratelimit-Policy"), `"all";q=`), does)
				assert.Contains(t, got["Vary"], "Origin", does)
			}
		})
	}
}

func TestAHandlerSeesTheSetAndChangesItAsTheWordsSay(t *testing.T) {
	const frame, policy = "X-Frame-Options", "Content-Security-Policy"
	for name, layer := range everyWay(t) {
		t.Run(name, func(t *testing.T) {
			got := askWith(t, layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				assert.Equal(t, "DENY", h.Get(frame))
				assert.Equal(t, "no-store", h.Get("Cache-Control"))
				h.Set("Cache-Control", "private")
				h.Add(frame, "SAMEORIGIN")
				h.Add(policy, "sandbox")
				h.Del("X-Content-Type-Options")
				h.Del("Referrer-Policy")
				h.Add("Referrer-Policy", "origin")
			})), fromAllowed()).Header
			assert.Equal(t, []string{"private"}, got["Cache-Control"], "Set")
			assert.Equal(t, []string{"DENY"}, got[frame], "Add to a single value")
			assert.Len(t, got[policy], 2, "Add to a list")
			assert.Equal(t, []string{"nosniff"}, got["X-Content-Type-Options"], "Del")
			assert.Equal(t, []string{"origin"}, got["Referrer-Policy"], "Del, then Add")
		})
	}
}

// httputil.ReverseProxy empties the map after a backend's 1xx, and adds to it.
func TestAHandlerSeesTheSetAgainAfterEarlyHints(t *testing.T) {
	const frame, policy = "X-Frame-Options", "Content-Security-Policy"
	for name, layer := range everyWay(t) {
		t.Run(name, func(t *testing.T) {
			got := served(t, layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				held := w.Header()
				w.WriteHeader(http.StatusEarlyHints)
				clear(held)
				assert.Equal(t, "DENY", w.Header().Get(frame))
				w.Header().Add(frame, "SAMEORIGIN")
				w.Header().Add(policy, "sandbox")
			})), fromAllowed()).Header
			assert.Equal(t, []string{"DENY"}, got[frame])
			assert.Len(t, got[policy], 2)
		})
	}
}

func TestTwoValuesAfterEarlyHintsAreOurs(t *testing.T) {
	for name, layer := range everyWay(t) {
		t.Run(name, func(t *testing.T) {
			got := served(t, layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				held := w.Header()
				w.WriteHeader(http.StatusEarlyHints)
				held["X-Frame-Options"] = []string{"SAMEORIGIN", "ALLOWALL"}
			})), nil).Header
			assert.Equal(t, []string{"DENY"}, got["X-Frame-Options"])
		})
	}
}

func TestANonceWorksAfterADeadlineWasSet(t *testing.T) {
	for name, around := range map[string]layerFunc{"the set alone": nil, "an id around": requestIDs(t, "")} {
		t.Run(name, func(t *testing.T) {
			var v inherited
			got := askWith(t, rampart.Chain(around, nonces(t), deadline)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = w.Header()
				v = read(r.Context())
				fmt.Fprint(w, "x")
			})), nil).Header
			require.NotEmpty(t, v.nonce)
			assert.Contains(t, got.Get("Content-Security-Policy"), v.nonce)
		})
	}
}

func TestACookieThatIsDroppedIsReportedUnderTheIDOfTheRequest(t *testing.T) {
	var log logtest.Records
	set := headerSet(t, func(cfg *headers.Config) { cfg.Logger = log.Logger() })
	resp := askWith(t, rampart.Chain(requestIDs(t, ""), set)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "s", Value: "x", Domain: "elsewhere.example"})
	})), nil)
	records := log.All(t)
	require.NotEmpty(t, records)
	assert.Equal(t, resp.Header.Get("X-Request-Id"), records[len(records)-1]["request_id"])
}

// What a handler chose was for a response that nobody gets.
func TestAPanicTakesBackWhatTheHandlerChose(t *testing.T) {
	foreign := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "sorry", http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	layers, _ := everyLayer(t)
	ours := server.Recover(slog.New(slog.DiscardHandler))
	id, set, share, limits := layers["request id"], layers["headers"], layers["cors"], layers["throttle"]
	for name, layer := range map[string]layerFunc{
		"a recover outside":                rampart.Chain(ours, id, set, share, limits),
		"a foreign recover outside":        rampart.Chain(foreign, id, set, share, limits),
		"a foreign recover, the set first": rampart.Chain(foreign, set, id, share, limits),
		"a recover in between":             rampart.Chain(id, ours, set, share, limits),
		"a foreign recover in between":     rampart.Chain(id, foreign, set, share, limits),
		"a recover after a deadline":       rampart.Chain(id, ours, set, share, limits, deadline),
		"a recover between cors and sets":  rampart.Chain(share, limits, id, ours, set),
	} {
		t.Run(name, func(t *testing.T) {
			resp := askWith(t, layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Frame-Options", "SAMEORIGIN")
				w.Header().Set("X-Request-Id", "mine")
				w.Header().Set("Access-Control-Allow-Origin", "*")
				panic("boom")
			})), fromAllowed())
			assert.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			assert.Equal(t, []string{"DENY"}, resp.Header["X-Frame-Options"])
			assert.Len(t, resp.Header.Get("X-Request-Id"), 32)
			assert.Equal(t, []string{allowedOrigin}, resp.Header["Access-Control-Allow-Origin"])
			assert.Len(t, resp.Header["Ratelimit"], 1)
		})
	}
}

// backend sends what our layers send, too.
func backend(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, name := range []string{
		"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
	} {
		h.Set(name, "backend")
	}
	h.Set("RateLimit", `"backend";r=1;t=1`)
	h.Set("RateLimit-Policy", `"backend";q=1;w=1`)
	h.Set("Vary", "Accept-Language")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	if r.Header.Get("Upgrade") != "" {
		switchProtocol(w)
		return
	}
	w.WriteHeader(http.StatusEarlyHints)
	fmt.Fprint(w, "x")
}

// switchProtocol does so and hangs up.
func switchProtocol(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n")
	_ = w.Header().Write(rw)
	fmt.Fprint(rw, "\r\n")
	_ = rw.Flush()
}

// proxied asks a proxy to that backend, inside the layers.
func proxied(t *testing.T, layer layerFunc, upgrade string) *http.Response {
	t.Helper()
	behind := httptest.NewServer(http.HandlerFunc(backend))
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	require.NoError(t, err)
	header := fromAllowed()
	if upgrade != "" {
		header.Set("Connection", "Upgrade")
		header.Set("Upgrade", upgrade)
	}
	return served(t, layer(httputil.NewSingleHostReverseProxy(target)), header)
}

func TestBehindAReverseProxyOursStandOnce(t *testing.T) {
	for name, told := range map[string]throttle.Headers{"draft": throttle.Draft, "legacy": throttle.Legacy, "both": throttle.Both} {
		for _, upgrade := range []string{"", "echo"} {
			t.Run(name+" "+cmp.Or(upgrade, "after a 103"), func(t *testing.T) {
				limits := limit(t, "ours", func(cfg *throttle.Config) { cfg.Headers = told })
				layer := rampart.Chain(requestIDs(t, ""), headerSet(t, func(*headers.Config) {}), sharing(t, allowedOrigin), limits)
				resp := proxied(t, layer, upgrade)
				got := resp.Header
				if upgrade != "" {
					assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
				}
				require.Len(t, got["X-Request-Id"], 1)
				assert.Len(t, got.Get("X-Request-Id"), 32)
				assert.Equal(t, []string{allowedOrigin}, got["Access-Control-Allow-Origin"])
				assert.NotContains(t, got, "Access-Control-Allow-Credentials")
				assert.ElementsMatch(t, []string{"Accept-Language", "Origin"}, got["Vary"])
				assert.Len(t, got["X-Frame-Options"], 1)
				assertLimits(t, got, told)
			})
		}
	}
}

func assertLimits(t *testing.T, got http.Header, told throttle.Headers) {
	t.Helper()
	policies := []string{`"ours";q=9;w=3600`, `"backend";q=1;w=1`}
	if told == throttle.Legacy {
		policies = policies[1:]
	}
	assert.Equal(t, policies, got["Ratelimit-Policy"])
	require.Len(t, got["Ratelimit"], len(policies))
	for i := range policies {
		name, _, _ := strings.Cut(policies[i], ";")
		assert.True(t, strings.HasPrefix(got["Ratelimit"][i], name+";r="), got["Ratelimit"])
	}
	if told != throttle.Draft {
		assert.Equal(t, []string{"9"}, got["X-Ratelimit-Limit"])
		assert.Equal(t, []string{"8"}, got["X-Ratelimit-Remaining"])
		assert.Len(t, got["X-Ratelimit-Reset"], 1)
		assert.NotEqual(t, "backend", got.Get("X-Ratelimit-Reset"))
	}
}

func TestARefundKnowsTheStatusOfTheResponse(t *testing.T) {
	errStop := errors.New("stop")
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		next http.HandlerFunc
		want int
	}{
		"nothing written": {empty, 200},
		"a body":          {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }, 200},
		"a refusal":       {status(401), 401},
		"early hints":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(401) }, 401},
		"only hints":      {status(103), 200},
		"a panic":         {func(http.ResponseWriter, *http.Request) { panic(errStop) }, 500},
		"a late panic":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); panic(errStop) }, 401},
	} {
		for around, outer := range map[string]layerFunc{
			"": nil, "a layer around": sharing(t, allowedOrigin), "a recover around": server.Recover(slog.New(slog.DiscardHandler)),
		} {
			for _, told := range []throttle.Headers{throttle.Draft, throttle.None} {
				t.Run(fmt.Sprint(name, " ", around, " ", told), func(t *testing.T) {
					var seen []int
					limits := limit(t, "log-ins", func(cfg *throttle.Config) {
						cfg.Headers = told
						cfg.Policies[0].Refund = func(status int) bool { seen = append(seen, status); return status == 401 }
					})
					h := rampart.Chain(outer, limits)(tt.next)
					func() {
						defer func() { _ = recover() }()
						h.ServeHTTP(httptest.NewRecorder(), incoming(t, nil))
					}()
					assert.Equal(t, []int{tt.want}, seen)
				})
			}
		}
	}
}

func TestARefundGivesBackWhatWasCharged(t *testing.T) {
	for name, outer := range map[string]layerFunc{"alone": nil, "a layer around": sharing(t, allowedOrigin)} {
		t.Run(name, func(t *testing.T) {
			code := 401
			h := rampart.Chain(outer, limit(t, "log-ins", func(cfg *throttle.Config) {
				cfg.Policies[0].Refund = func(status int) bool { return status == 401 }
			}))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
			for range 3 {
				assert.Contains(t, askWith(t, h, nil).Header.Get("Ratelimit"), ";r=8")
			}
			code = 200
			askWith(t, h, nil)
			assert.Contains(t, askWith(t, h, nil).Header.Get("Ratelimit"), ";r=7")
		})
	}
}

// sink is a writer that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

func TestARequestCostsFewAllocations(t *testing.T) {
	layers, token := everyLayer(t)
	token.Set("Origin", allowedOrigin)
	limits := limit(t, "many", func(cfg *throttle.Config) { cfg.Policies[0].Rate.Count = 1_000_000 })
	oneOfTwo := limit(t, "known", func(cfg *throttle.Config) {
		cfg.Policies[0].Rate.Count = 1_000_000
		strangers := cfg.Policies[0]
		strangers.Name, strangers.Match = "strangers", func(*http.Request) bool { return false }
		cfg.Policies = append(cfg.Policies, strangers)
	})
	id, addr, set, share := layers["request id"], layers["client address"], layers["headers"], layers["cors"]
	for name, tt := range map[string]struct {
		layer  layerFunc
		header http.Header
		most   float64
	}{
		"headers":                     {set, nil, 1},
		"cors":                        {share, fromAllowed(), 1},
		"cors without an origin":      {share, nil, 1},
		"throttle":                    {limits, nil, 1},
		"one policy of two":           {oneOfTwo, nil, 1},
		"the public chain":            {rampart.Chain(set, share, limits), fromAllowed(), 3},
		"all, with a token it knows":  {rampart.Chain(id, addr, set, share, limits, layers["token"]), token, 8},
		"the token chain, and cached": {rampart.Chain(set, share, limits, layers["token"]), token, 5},
	} {
		h := tt.layer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		w, r := &sink{http.Header{}}, incoming(t, tt.header)
		assert.LessOrEqual(t, testing.AllocsPerRun(500, func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}), tt.most, name)
	}
}
