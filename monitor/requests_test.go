package monitor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
)

func TestARequestIsToldByItsRouteStatusAndTime(t *testing.T) {
	mux := server.NewMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET shop.example/{$}", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("no") })
	mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("begun"))
		panic(http.ErrAbortHandler)
	})
	for desc, tt := range map[string]struct {
		method, url string
		gone        bool
		want        monitor.Request
	}{
		"a route with a method":          {"GET", "http://a.example/orders/7", false, monitor.Request{Method: "GET", Route: "/orders/{id}", Status: 418}},
		"a method that routes take over": {"HEAD", "http://a.example/orders/7", false, monitor.Request{Method: "HEAD", Route: "/orders/{id}", Status: 418}},
		"a handler that writes nothing":  {"DELETE", "http://a.example/silent", false, monitor.Request{Method: "DELETE", Route: "/silent", Status: 200}},
		"a host's route, slowly":         {"GET", "http://shop.example/", false, monitor.Request{Method: "GET", Route: "shop.example/{$}", Status: 200, Took: time.Second}},
		"a panic":                        {"POST", "http://a.example/panic", false, monitor.Request{Method: "POST", Route: "/panic", Status: 500}},
		"a client that is gone":          {"POST", "http://a.example/panic", true, monitor.Request{Method: "POST", Route: "/panic", Status: 499}},
		"a panic in a response":          {"PATCH", "http://a.example/late", true, monitor.Request{Method: "PATCH", Route: "/late", Status: 200}},
		"no route":                       {"GET", "http://a.example/nothing", false, monitor.Request{Method: "GET", Route: "unmatched", Status: 404}},
		"a method that is made up":       {"BREW", "http://a.example/orders/7", false, monitor.Request{Method: "_OTHER", Route: "unmatched", Status: 405}},
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids, err := server.NewRequestID(server.RequestIDConfig{})
				require.NoError(t, err)
				for name, h := range map[string]func(http.Handler) http.Handler{
					"alone":                func(next http.Handler) http.Handler { return next },
					"around another layer": ids.Handler,
				} {
					var got []monitor.Request
					layer := monitor.Requests(func(_ *http.Request, served monitor.Request) { got = append(got, served) })
					r := httptest.NewRequest(tt.method, tt.url, nil)
					if tt.gone {
						ctx, cancel := context.WithCancel(t.Context())
						cancel()
						r = r.WithContext(ctx)
					}
					func() {
						defer func() { _ = recover() }()
						layer(h(mux)).ServeHTTP(httptest.NewRecorder(), r)
					}()
					assert.Equal(t, []monitor.Request{tt.want}, got, name)
				}
			})
		})
	}
}

func TestNoClientMakesNamesAndNoProgramTooMany(t *testing.T) {
	seen := map[string]bool{}
	var last monitor.Request
	pattern := ""
	h := monitor.Requests(func(_ *http.Request, served monitor.Request) {
		seen[served.Method+" "+served.Route] = true
		last = served
	})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Pattern = pattern }))
	ask := func(method, target, host string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.Host, r.URL.Path = method, host, target
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i := range 5000 { // clients
		ask(fmt.Sprintf("M%d\"\n", i), fmt.Sprintf("/%d\xff", i), fmt.Sprintf("h%d.example", i))
	}
	assert.Equal(t, map[string]bool{"_OTHER unmatched": true}, seen)
	for i := range 5000 { // a router that puts paths into patterns
		pattern = fmt.Sprintf("GET /%d", i)
		ask("GET", "/", "")
	}
	assert.Len(t, seen, 1+512+1)
	assert.Equal(t, "other", last.Route)
	pattern = "GET /7"
	ask("GET", "/", "")
	assert.Equal(t, "/7", last.Route, "what is known stays")

	pattern = "/" + strings.Repeat("x", 1000) + "\n"
	h = monitor.Requests(func(_ *http.Request, served monitor.Request) { last = served })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Pattern = pattern }))
	ask("GET", "/", "")
	assert.LessOrEqual(t, len(last.Route), 128+len("…"))
}

func TestMeasuringARequestAllocatesOnce(t *testing.T) {
	h := rampart.Chain(server.Recover(nil), monitor.Requests(func(*http.Request, monitor.Request) {}))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	bare := server.Recover(nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	with := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
	assert.LessOrEqual(t, with-testing.AllocsPerRun(1000, func() { bare.ServeHTTP(w, r) }), 1.0)
}
