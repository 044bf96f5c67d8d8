package apikey_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

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
