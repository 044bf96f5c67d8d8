package apikey_test

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/apikey"
)

func BenchmarkMalformed(b *testing.B) {
	f := newFixture(b)
	_, text := f.make(b)
	crafted := good[:len(good)-1] + "!"
	for name, text := range map[string]string{
		"nonsense":      "0123456789abcdef",
		"wrong letter":  text[:20] + "!" + text[21:],
		"wrong sum":     text[:len(text)-1] + "_",
		"crafted sum":   crafted + crc62(crafted),
		"ten kilobytes": strings.Repeat("C", 10_000),
	} {
		b.Run("WellFormed/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if apikey.WellFormed(prefix, text) {
					b.Fatal("well-formed")
				}
			}
		})
		b.Run("Verify/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Verify(b.Context(), text, anywhere); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkGoodKeyOnTheMemoryStore(b *testing.B) {
	f := newFixture(b)
	_, text := f.make(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Verify(b.Context(), text, anywhere); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGoodKeyWarm(b *testing.B) {
	f := newFixture(b, withCache)
	_, text := f.make(b)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Verify(b.Context(), text, anywhere); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := f.Verify(b.Context(), text, anywhere); err != nil {
					b.Error(err)
				}
			}
		})
	})
	// What one writes by hand: a hash of the text, looked up in a map under a
	// lock, and the expiry held against the clock.
	b.Run("by hand", func(b *testing.B) {
		var mu sync.RWMutex
		expires := map[[sha256.Size]byte]time.Time{sha256.Sum256([]byte(text)): time.Now().Add(time.Hour)}
		b.ReportAllocs()
		for b.Loop() {
			mu.RLock()
			at, ok := expires[sha256.Sum256([]byte(text))]
			mu.RUnlock()
			if !ok || !time.Now().Before(at) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	f := newFixture(b, func(c *apikey.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	_, text := f.make(b)
	h := f.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := nullWriter{}
	r := request(b, "X-API-Key", text)
	b.ReportAllocs()
	for b.Loop() {
		clear(w)
		h.ServeHTTP(w, r)
	}
}

type nullWriter http.Header

func (w nullWriter) Header() http.Header       { return http.Header(w) }
func (nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (nullWriter) WriteHeader(int)             {}
