package peers

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// chainRows compares layers around each other, and answers that are not empty.
func chainRows() []Row {
	var rows []Row
	handler := busy
	add := func(group, implementation string, status int, headers map[string]string, request *http.Request, layers ...layer) {
		rows = append(rows, Row{group, implementation, rampart.Chain(layers...)(handler), request, status, headers})
	}

	full := map[string]string{
		"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": origin,
		"Cache-Control": "private, max-age=60", "X-Total-Count": "1234", "Set-Cookie": "sessionid=",
	}
	const group1 = "busy public chain: headers, cors, throttle"
	add(group1, "rampart", 200, full, get(), ourHeaders(), ourCORS(), ourThrottle(throttle.SlidingWindow, 0))
	add(group1, "floor", 200, full, get(), floorHeaderLayer, floorCORS, floorLimiter())
	add(group1, "unrolled/secure, rs/cors, go-chi/httprate", 200, full, get(), unrolled(), rsCORS(), chiHTTPRate(plenty))
	add(group1, "unrolled/secure, go-chi/cors, ulule/limiter", 200, full, get(), unrolled(), chiCORS(), ulule(plenty))

	handler = served
	both := map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": origin}
	const group2 = "cors inside headers: actual request of an allowed origin"
	add(group2, "rampart", 204, both, get(), ourHeaders(), ourCORS())
	add(group2, "rampart's headers, rs/cors", 204, both, get(), ourHeaders(), rsCORS())
	add(group2, "rampart's headers alone", 204, map[string]string{"X-Content-Type-Options": "nosniff"}, get(), ourHeaders())

	all := map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": origin, "X-Request-Id": ""}
	const group3 = "service chain: id, address, headers, cors, throttle, cached token"
	id, ip := must(server.NewRequestID(server.RequestIDConfig{})), must(server.NewClientIP(rampart.Proxies{}))
	byIP := throttle.Policy{Name: "anon", Rate: unlimited, Key: throttle.ByIP(ip.Addr)}
	add(group3, "rampart", 204, all, withToken(get()), id.Handler, ip.Handler, ourHeaders(), ourCORS(), limited(0, byIP), ourToken(true))
	add(group3, "floor", 204, all, withToken(get()), floorID, floorHeaderLayer, floorCORS, floorLimiter(), floorToken)
	add(group3, "floor's id, unrolled/secure, rs/cors, go-chi/httprate, golang-jwt/jwt", 204, all, withToken(get()), floorID, unrolled(), rsCORS(), chiHTTPRate(plenty), golangJWT)
	add(group3, "floor's id, unrolled/secure, go-chi/cors, ulule/limiter, go-chi/jwtauth", 204, all, withToken(get()), floorID, unrolled(), chiCORS(), ulule(plenty), chiJWTAuth())

	a := newAPI()
	limit := func(policy string) map[string]string {
		return map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": origin, "X-Request-Id": "", "Ratelimit": policy}
	}
	floors := rampart.Chain(floorRecover, floorID, floorHeaderLayer, floorCORS, floorLimiter(), floorMux)
	const group4 = "api chain: public"
	add(group4, "rampart", 204, limit(`"anon"`), get(), a.around, a.public)
	add(group4, "floor", 204, all, get(), floors, floorLimiter())
	const group5 = "api chain: cached token"
	add(group5, "rampart", 204, limit(`"user"`), withToken(get()), a.around, a.secure)
	add(group5, "floor", 204, all, withToken(get()), floors, floorToken, floorLimiter())
	const group6 = "api chain: API key"
	add(group6, "rampart", 204, limit(`"partner"`), asks(get(), "X-Api-Key", a.key), a.around, a.partner)
	add(group6, "floor", 204, all, asks(get(), "X-Api-Key", a.key), floors, floorKey(a.key), floorLimiter())
	return rows
}

// api is the layers of examples/api in their order, without its database: who
// owns a key or token is not asked whether they are still active.
type api struct {
	around                  layer // every request
	public, secure, partner layer // each kind of route
	key                     string
}

func newAPI() (a api) {
	log, changes := quiet(), changes()
	ip := must(server.NewClientIP(rampart.Proxies{}))
	overrides := must(throttle.NewOverrides(throttle.OverridesConfig{Feed: changes, Outage: rampart.FailOpen, Logger: log}))
	limiter := func(policies ...throttle.Policy) layer {
		return must(throttle.New(throttle.Config{Policies: policies, Overrides: overrides, Logger: log})).Handler
	}
	byIP := throttle.ByIP(ip.Addr)
	stranger := func(r *http.Request) bool {
		_, ok := rampart.CallerFrom(r.Context())
		return !ok
	}
	byKey := throttle.By("key", func(r *http.Request) string {
		c, _ := rampart.CallerFrom(r.Context())
		return c.ID
	})
	notGuessed := func(status int) bool {
		return status < http.StatusBadRequest || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}

	hosts := headers.API("api.ecolaura.com")
	hosts.ProbePaths, hosts.Logger = []string{"/healthz"}, log
	a.around = rampart.Chain(server.Recover(log), rampart.Stack{
		RequestID: must(server.NewRequestID(server.RequestIDConfig{})).Handler,
		ClientIP:  ip.Handler,
		Headers:   must(headers.New(hosts)).Handler,
		Probe:     probe,
		CORS:      must(cors.New(sharing())).Handler,
		Block:     must(ipfilter.New(ipfilter.Config{ClientIP: ip.Addr, Feed: changes, Outage: rampart.FailOpen, Logger: log})).Handler,
		Lockdown:  lockdown,
		Edge:      limiter(throttle.Policy{Name: "edge", Rate: unlimited, Algorithm: throttle.TokenBucket, Key: byIP}),
	}.Handler, ourMux)

	tokens := auth.Simplejwt(secret)
	tokens.Revoked = must(auth.NewRevocations(auth.RevocationsConfig{Feed: changes, Outage: rampart.FailClosed, Logger: log})).Revoked
	tokens.Logger = log
	verifier := must(auth.NewVerifier(tokens))
	keys, texts := ourKeys(1, time.Minute, apikey.NewMemoryStore())
	a.key = texts[0]
	guard := must(sanitize.NewGuard(sanitize.GuardConfig{Logger: log})).Handler
	callers := limiter(
		throttle.Policy{Name: "anon", Rate: unlimited, Key: byIP, Match: stranger},
		throttle.Policy{Name: "user", Rate: unlimited, Key: throttle.ByCaller()},
	)
	guesses := limiter(throttle.Policy{Name: "key-guesses", Rate: unlimited, Key: byIP, Refund: notGuessed})
	partner := limiter(throttle.Policy{Name: "partner", Rate: unlimited, Key: byKey})
	a.public = rampart.Stack{Credential: verifier.Optional, Limit: callers, Guard: guard}.Handler
	a.secure = rampart.Stack{Credential: verifier.Handler, Limit: callers, Guard: guard}.Handler
	a.partner = rampart.Stack{Credential: rampart.Chain(guesses, keys.Handler), Limit: partner, Guard: guard}.Handler
	return a
}

// changes is a feed that brings nothing; it polls as long as the process lives.
var changes = sync.OnceValue(func() *feed.Feed {
	return must(feed.New(context.Background(), feed.Config{Source: feed.Memory(), Logger: quiet()}))
})

// probe would answer health checks.
func probe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lockdown is never closed.
func lockdown(next http.Handler) http.Handler {
	var closed atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if closed.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ourMux and floorMux route to their handler alone.
func ourMux(next http.Handler) http.Handler {
	m := server.NewMux()
	m.Handle("GET /api/public/{$}", next)
	return m
}

func floorMux(next http.Handler) http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /api/public/{$}", next)
	return m
}
