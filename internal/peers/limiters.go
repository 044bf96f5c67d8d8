package peers

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/didip/tollbooth/v7"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

// throttledGCRA is throttled/throttled, a token bucket like ours.
func throttledGCRA(limit int) layer {
	store, err := memstore.NewCtx(1 << 20)
	if err != nil {
		panic(err)
	}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerHour(limit), MaxBurst: limit - 1})
	if err != nil {
		panic(err)
	}
	http := throttled.HTTPRateLimiterCtx{RateLimiter: limiter, VaryBy: &throttled.VaryBy{RemoteAddr: true}}
	return http.RateLimit
}

// sethvargo is sethvargo/go-limiter, calendar windows.
func sethvargo(limit uint64) layer {
	store, err := memorystore.New(&memorystore.Config{Tokens: limit, Interval: time.Hour})
	if err != nil {
		panic(err)
	}
	m, err := httplimit.NewMiddleware(store, httplimit.IPKeyFunc())
	if err != nil {
		panic(err)
	}
	return m.Handle
}

func tollBooth(perSecond float64) layer {
	limiter := tollbooth.NewLimiter(perSecond, nil).SetIPLookups([]string{"RemoteAddr"})
	return func(next http.Handler) http.Handler { return tollbooth.LimitHandler(limiter, next) }
}

// from lets n addresses take turns. It writes to the request, which only a
// benchmark may do.
func from(n int) layer {
	var next atomic.Int64
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = addresses()[next.Add(1)%int64(n)]
			h.ServeHTTP(w, r)
		})
	}
}

// addresses are made once: a million of them take a while.
var addresses = sync.OnceValue(func() []string {
	addrs := make([]string, 1<<20)
	for i := range addrs {
		h := uint32(i) * 2654435761
		addrs[i] = strconv.Itoa(int(h>>24)) + "." + strconv.Itoa(int(h>>16&255)) + "." + strconv.Itoa(int(h>>8&255)) + "." + strconv.Itoa(int(h&255)) + ":4711"
	}
	return addrs
})
