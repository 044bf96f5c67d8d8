package markup_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/sanitize/markup"
)

// TestHostileLinksTakeLittleMoreThanPlainMarkup compares 100 KB of hostile href, in
// one link and in four, with 100 KB of ordinary markup, by minima of processor time
// that are taken in turn.
func TestHostileLinksTakeLittleMoreThanPlainMarkup(t *testing.T) {
	policies := map[string]*markup.Policy{"UGC": markup.UGC(), "everything": policy(t, rich(t), markup.RewriteURLs(proxy), markup.Linkify())}
	for name, h := range policies {
		for _, size := range []int{100 << 10, 25 << 10} {
			href := func(piece string) string {
				return strings.Repeat(`<a href="/`+strings.Repeat(piece, size/len(piece))+`">x</a>`, 100<<10/size)
			}
			pieces := []string{
				"plain markup", "a/b?c=d", "\t", "&Tab;", "&", "&#", "&#x", "&amp;", "&amp", "&colon;", "&#58;", "java&#10;script:", "data:image/png;base64,", ":", "\x01", "\x00", "\r\n", "\xff", "é", "\\", "//", "%", "'", "<", " ", ", ", "#", "&CounterClockwiseContourIntegral;", "&NotEqualTilde;",
			}
			least := make([]time.Duration, len(pieces))
			for range 20 {
				for i, piece := range pieces {
					in := href(piece)
					if i == 0 {
						in = article(100 << 10)
					}
					if took := cputime.Spent(func() { h.Clean(in) }); least[i] == 0 || took < least[i] {
						least[i] = took
					}
				}
			}
			for i, piece := range pieces {
				ratio := float64(least[i]) / float64(least[0])
				t.Logf("%s, %d: %q %v, %.2f", name, size, piece, least[i], ratio)
				if os.Getenv("RAMPART_BARS") != "" {
					assert.LessOrEqual(t, ratio, 1.5, "%s, %d: %q", name, size, piece)
				}
			}
		}
	}
}
