package peers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/throttle"
)

// growthRows compares small sets with large ones. The large ones are filled on
// the first request, so that nobody who measures other groups waits for them.
func growthRows() []Row {
	var rows []Row
	add := func(group, implementation string, headers map[string]string, request *http.Request, layers ...layer) {
		rows = append(rows, Row{group, implementation, rampart.Chain(layers...)(served), request, http.StatusNoContent, headers})
	}

	const group1 = "growth: throttle by token bucket, every address known before"
	for _, n := range []int{1, 10_000, 1_000_000} {
		add(group1, "rampart, "+grouped(n), map[string]string{"RateLimit": "anon"}, plainGet(), after(n), from(n), ourThrottle(throttle.TokenBucket, n))
	}

	const group2 = "growth: cors, allowed origins, the last one asks"
	shared := map[string]string{"Access-Control-Allow-Origin": origin}
	for _, n := range []int{1, 10_000} {
		policy := sharing()
		policy.Origins = origins(n)
		add(group2, "rampart, "+grouped(n), shared, get(), must(cors.New(policy)).Handler)
	}
	add(group2, "rs/cors, 10 000", shared, get(), rsCORSFor(origins(10_000)...))

	const group3 = "growth: cached token, revoked ids"
	for _, n := range []int{0, 100_000} {
		add(group3, "rampart, "+grouped(n), nil, withToken(plainGet()), lazily(func() layer { return tokenBeside(n) }))
	}

	// A million keys would be 500 MB in a MemoryStore, and take seconds to make.
	const group4 = "growth: API keys in the memory store"
	for _, n := range []int{1, 10_000, 100_000} {
		add(group4, "rampart, "+grouped(n), nil, plainGet(), lazily(func() layer { return keyBeside(n) }))
	}
	return rows
}

// grouped writes n with a space before each three digits.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s %03d", grouped(n/1000), n%1000)
}

// origins returns n of them, the one that asks last.
func origins(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = "https://shop-" + strconv.Itoa(i) + ".example"
	}
	list[n-1] = origin
	return list
}

// tokenBeside verifies tokens while n others are revoked.
func tokenBeside(n int) layer {
	revoked := must(auth.NewRevocations(auth.RevocationsConfig{Logger: quiet()}))
	ctx, expires := context.Background(), time.Now().Add(24*time.Hour)
	for i := range n {
		if err := revoked.RevokeToken(ctx, "", fmt.Sprintf("%032x", i), expires); err != nil {
			panic(err)
		}
	}
	cfg := auth.Simplejwt(secret)
	cfg.Revoked = revoked.Revoked
	return must(auth.NewVerifier(cfg)).Handler
}

// keyBeside checks API keys of which n are stored; some thousands take turns.
func keyBeside(n int) layer {
	store := apikey.NewMemoryStore()
	keys, texts := ourKeys(min(n, 10_000), 0, store)
	for i := len(texts); i < n; i++ {
		id := fmt.Sprintf("%016d", i)
		hash := sha256.Sum256([]byte(id))
		if err := store.Insert(context.Background(), apikey.Key{ID: id, Name: "partner", Owner: "42"}, hash[:]); err != nil {
			panic(err)
		}
	}
	fields := make([][]string, len(texts))
	for i, text := range texts {
		fields[i] = []string{text}
	}
	var next atomic.Int64
	return func(h http.Handler) http.Handler {
		h = keys.Handler(h)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header["X-Api-Key"] = fields[next.Add(1)%int64(len(fields))]
			h.ServeHTTP(w, r)
		})
	}
}

// lazily builds a layer on its first request.
func lazily(build func() layer) layer {
	return func(next http.Handler) http.Handler {
		h := sync.OnceValue(func() http.Handler { return build()(next) })
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h().ServeHTTP(w, r) })
	}
}
