package throttle_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// discard is a ResponseWriter whose header is used again, as a server's is not:
// what is measured is the layer alone.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func benchLimiter(tb testing.TB, keys int, policies ...throttle.Policy) *throttle.Limiter {
	tb.Helper()
	l, err := throttle.New(throttle.Config{
		Policies: policies,
		Store:    throttle.NewMemory(keys),
		Logger:   slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func benchPolicy(a throttle.Algorithm, addrs []netip.Addr, count int) throttle.Policy {
	next := 0
	return throttle.Policy{
		Name:      "anon",
		Rate:      throttle.Rate{Count: count, Period: time.Hour},
		Algorithm: a,
		Key: throttle.ByIP(func(*http.Request) netip.Addr {
			next++
			if next >= len(addrs) {
				next = 0
			}
			return addrs[next]
		}),
	}
}

func addresses(n int) []netip.Addr {
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		h := uint32(i) * 2654435761 // in no order
		addrs[i] = netip.AddrFrom4([4]byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)})
	}
	return addrs
}

func BenchmarkHandler(b *testing.B) {
	for _, a := range []throttle.Algorithm{throttle.TokenBucket, throttle.SlidingWindow} {
		for _, keys := range []int{1, 65_536, 1_000_000} {
			b.Run(fmt.Sprintf("%v/keys=%d", a, keys), func(b *testing.B) {
				l := benchLimiter(b, keys, benchPolicy(a, addresses(keys), 1_000_000_000))
				h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
				w := discard{http.Header{}}
				for range keys {
					clear(w.h)
					h.ServeHTTP(w, r)
				}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.h)
					h.ServeHTTP(w, r)
				}
			})
		}
	}
}

func BenchmarkThreePolicies(b *testing.B) {
	p := make([]throttle.Policy, 3)
	for i := range p {
		p[i] = benchPolicy(throttle.SlidingWindow, addresses(1000), 1_000_000_000)
		p[i].Name = fmt.Sprint("p", i)
	}
	h := benchLimiter(b, 65_536, p...).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

// BenchmarkRefusal must not be dearer than BenchmarkServing, whose handler does
// the least that an API does: it answers a small struct as JSON.
func BenchmarkRefusal(b *testing.B) { benchAnswer(b, 1) }

func BenchmarkServing(b *testing.B) { benchAnswer(b, 1_000_000_000) }

func benchAnswer(b *testing.B, limit int) {
	for _, a := range []throttle.Algorithm{throttle.TokenBucket, throttle.SlidingWindow} {
		b.Run(a.String(), func(b *testing.B) {
			l := benchLimiter(b, 1, benchPolicy(a, addresses(1), limit))
			h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Cache-Control", "no-store")
				_ = json.NewEncoder(w).Encode(struct {
					Message string `json:"message"`
				}{"This is a public endpoint."})
			}))
			r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkMemoryPerKey reports bytes of heap for each of a million keys.
func BenchmarkMemoryPerKey(b *testing.B) {
	const keys = 1_000_000
	addrs := addresses(keys)
	for _, a := range []throttle.Algorithm{throttle.TokenBucket, throttle.SlidingWindow} {
		b.Run(a.String(), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				m := throttle.NewMemory(keys)
				it := []throttle.Item{{Policy: "p", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Algorithm: a, Cost: 1}}
				out := make([]throttle.Result, 1)
				for _, addr := range addrs {
					it[0].Key = addr.String()
					if _, err := m.Take(b.Context(), it, out); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/keys, "B/key")
				held := 0
				it[0].Cost = 0
				for _, addr := range addrs {
					it[0].Key = addr.String()
					if _, err := m.Take(b.Context(), it, out); err != nil {
						b.Fatal(err)
					}
					if out[0].Remaining < 100 {
						held++
					}
				}
				b.ReportMetric(float64(keys-held), "dropped")
			}
		})
	}
}

// BenchmarkCollection reports what one garbage collection takes with a million
// keys, beside one without: the pause in which nothing else runs, and all of its
// work.
func BenchmarkCollection(b *testing.B) {
	for _, bench := range []struct {
		name string
		keys int
		a    throttle.Algorithm
	}{
		{"without", 0, throttle.TokenBucket},
		{"TokenBucket", 1_000_000, throttle.TokenBucket},
		{"SlidingWindow", 1_000_000, throttle.SlidingWindow},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := fullMemory(b, bench.a, bench.keys)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			work := sample("/cpu/classes/gc/total:cpu-seconds").Float64()
			for b.Loop() {
				runtime.GC()
			}
			work = sample("/cpu/classes/gc/total:cpu-seconds").Float64() - work
			runtime.ReadMemStats(&after)
			collections := float64(after.NumGC - before.NumGC)
			b.ReportMetric(float64(after.PauseTotalNs-before.PauseTotalNs)/collections, "pause-ns/gc")
			b.ReportMetric(work*1e9/collections, "cpu-ns/gc")
			runtime.KeepAlive(m)
		})
	}
}

// BenchmarkFlood has a fresh key in each call, in a table that is full.
func BenchmarkFlood(b *testing.B) {
	const keys = 100_000
	for _, a := range []throttle.Algorithm{throttle.TokenBucket, throttle.SlidingWindow} {
		b.Run(a.String(), func(b *testing.B) {
			m := throttle.NewMemory(keys)
			it := []throttle.Item{{Policy: "p", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Algorithm: a, Cost: 1}}
			out := make([]throttle.Result, 1)
			key := make([]byte, 8)
			n := uint64(0)
			charge := func() {
				n++
				it[0].Key = string(binary.LittleEndian.AppendUint64(key[:0], n))
				if _, err := m.Take(b.Context(), it, out); err != nil {
					b.Fatal(err)
				}
			}
			for range 2 * keys {
				charge()
			}
			b.ReportAllocs()
			for b.Loop() {
				charge()
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
