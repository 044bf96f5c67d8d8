package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/server"
)

// hostile returns 25 pieces that forwarding headers are made of by repetition.
func hostile() []string {
	return []string{
		",", " ,", ", ,\t", ";", ";,", "=", `"`, `""`, `"",`, `\`, `"\",`, `"\\",`, " ", "a",
		"10.0.0.1,", "10.0.0.1, ", "[fd00::1]:1,", "for=10.0.0.1,", `for="10.0.0.1",`, "for=10.0.0.1;", `for="[fd00::1]:1";proto=https,`,
		"for=_x;by=_y;host=a;proto=http,", "%", "1.", `for="a,b;c",`,
	}
}

// readers are all that read such a header, in each way that it is trusted.
func readers(t testing.TB, line string) []func() {
	t.Helper()
	var all []func()
	for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header[name] = []string{line}
		r.Header["X-Forwarded-Proto"] = r.Header[name]
		field := name
		if name == "X-Forwarded-For" {
			field = "X-Forwarded-Proto"
		}
		for _, p := range []rampart.Proxies{
			{Prefixes: prefixes("10.0.0.0/8", "fd00::/8"), ClientHeader: name, SchemeHeader: field, HostHeader: field},
			{Hops: 16, SchemeHeader: field, HostHeader: field},
		} {
			c, err := server.NewClientIP(p)
			require.NoError(t, err)
			all = append(all, func() { c.Addr(r) }, func() { p.HTTPS(r) }, func() { p.Host(r) })
		}
	}
	return all
}

// With RAMPART_BARS=1 a reader has 1 ms of the processor for 64 KiB. What it allocates
// does not depend on the machine: the same for 16 times the line.
func TestAHostileForwardedLineCostsNoMoreThanItsLength(t *testing.T) {
	bars := os.Getenv("RAMPART_BARS") != ""
	var worst time.Duration
	most := 256 << 10
	if bars {
		most = 1 << 20
	}
	for _, piece := range hostile() {
		small, large := readers(t, strings.Repeat(piece, (16<<10)/len(piece))), readers(t, strings.Repeat(piece, most/len(piece)))
		for i := range small {
			allocated := func(f func()) float64 {
				var tries []float64 // goroutines of other tests may allocate meanwhile
				for range 3 {
					tries = append(tries, testing.AllocsPerRun(1, f))
				}
				return slices.Min(tries)
			}
			assert.LessOrEqual(t, allocated(large[i]), allocated(small[i])+1, "%q, reader %d", piece, i)
			if !bars {
				continue
			}
			best, base := time.Hour, time.Hour
			for range 3 {
				best, base = min(best, cputime.Spent(large[i])), min(base, cputime.Spent(small[i]))
			}
			worst = max(worst, best)
			// 64 times the line: a reader that were quadratic would take 4096 times as long.
			assert.LessOrEqual(t, best, 64*4*max(base, 20*time.Microsecond), "%q, reader %d", piece, i)
		}
	}
	if bars {
		t.Logf("worst: %v for 1 MiB, %v for 64 KiB", worst, worst/16)
	}
	assert.LessOrEqual(t, worst, 16*time.Millisecond)
}

func BenchmarkHostileForwardedLines(b *testing.B) {
	for _, piece := range hostile() {
		b.Run(piece, func(b *testing.B) {
			line := strings.Repeat(piece, (1<<20)/len(piece))
			all := readers(b, line)
			b.SetBytes(int64(len(line) * len(all)))
			for b.Loop() {
				for _, read := range all {
					read()
				}
			}
		})
	}
}
