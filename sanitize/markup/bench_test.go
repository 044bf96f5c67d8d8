package markup_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// article is n bytes of ordinary markup.
func article(n int) string {
	const piece = `<h2>Soap</h2><p>Made of <b>olive oil</b> &amp; <i>lye</i>, see <a href="https://example.com/soap?a=1" title="Soap">the recipe</a>.</p><ul><li>mild<li>cheap</ul><img src="/soap.png" alt="A bar" onerror="x()"><script>x()</script>`
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

func BenchmarkClean(b *testing.B) {
	h := markup.UGC()
	for name, in := range map[string]string{
		"1KB": article(1 << 10), "100KB": article(100 << 10), "plain1KB": strings.Repeat("It's plain, nothing else. ", 50)[:1024],
		"unicode": strings.Repeat("Schöne Grüße, ", 60),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				h.Clean(in)
			}
		})
	}
}

func TestPlainTextCostsNothing(t *testing.T) {
	h := markup.UGC()
	in := strings.Repeat("It's plain, nothing else – ", 40)
	if n := testing.AllocsPerRun(100, func() { h.Clean(in) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestALinkWithATabTakesNoTableOfItsOwn(t *testing.T) {
	const links = 1000
	in := strings.Repeat("<a href=\"/\tx\">", links)
	h := markup.UGC()
	h.Clean(in)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.Clean(in)
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / links; n > 1000 {
		t.Errorf("%d bytes for each link", n)
	}
}
