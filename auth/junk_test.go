package auth_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/internal/jose/josetest"
)

// junk returns what is not a good token, by kind: 100 of them for each algorithm,
// of up to a megabyte. Nobody needs a key to send these. good is what they mimic.
func junk(alg auth.Algorithm, good string) map[string]string {
	dot := strings.LastIndexByte(good, '.')
	head, body, _ := strings.Cut(good[:dot], ".")
	sig := good[dot+1:]
	kinds := map[string]string{
		"a word":                  "garbage",
		"JSON":                    `{"token":1}`,
		"no signature":            good[:dot],
		"an empty signature":      good[:dot+1],
		"an empty header":         "." + body + "." + sig,
		"empty claims":            head + ".." + sig,
		"four parts":              good + "." + sig,
		"five parts":              good + "." + sig + "." + sig,
		"padding":                 good + "=",
		"a line end":              good + "\n",
		"other claims":            head + "." + b64(`{"a":1}`) + "." + sig,
		"claims that are no JSON": head + "." + b64("x") + "." + sig,
		"a null byte":             good[:dot] + "\x00" + good[dot:],
		"a standard alphabet":     head + "." + body + "./+/+" + sig[4:],
		"a cut signature":         good[:len(good)-4],
		"a doubled signature":     good + sig,
		"a bit of the signature":  josetest.Flip(good, dot+3),
		"a bit of the claims":     josetest.Flip(good, len(head)+5),
		"a bit of the header":     josetest.Flip(good, 8),
		"a signature of zeros":    good[:dot+1] + strings.Repeat("A", len(sig)),
		"invalid UTF-8":           b64("{\"alg\":\"\xff\"}") + "." + body + "." + sig,
	}
	for _, header := range []string{
		`{}`, `[]`, `null`, `"x"`, `1`, `{"alg":1}`, `{"alg":null}`, `{"alg":""}`, `{"alg":"none"}`, `{"alg":"NONE"}`, `{"alg":"HS1"}`,
		`{"alg":"` + string(alg) + `","alg":"none"}`, `{"alg":"` + string(alg) + `","crit":["exp"]}`, `{"alg":"` + string(alg) + `","kid":"nobody"}`,
		`{"alg":"` + string(alg) + `","kid":1}`, `{"alg":"` + string(alg) + `","typ":"at+jwt"}`, `{"alg":"` + string(alg) + `","typ":"x"}`,
		`{"alg":"` + string(alg) + `","b64":false}`, `{"alg":"` + string(alg) + `","jku":"https://evil.example/"}`, `{"alg":"` + string(alg) + `"} `,
		`{"alg":"` + string(alg) + `"}x`, `{"alg":"` + string(alg) + `","x":1e999999999}`, `{"alg":"` + string(alg) + `","x":"\ud800"}`,
		`{"alg":"HS256"}`, `{"alg":"RS256"}`, `{"alg":"ES256"}`, `{"alg":"EdDSA"}`, `{"alg":"PS512"}`,
		`{"alg":"` + string(alg) + `","kid":"../../../dev/null"}`, `{"alg":"` + string(alg) + `","kid":"' OR 1=1"}`,
	} {
		kinds["header "+header] = b64(header) + "." + body + "." + sig
	}
	grown := map[string]func(n int) string{
		"letters":     func(n int) string { return strings.Repeat("a", n) },
		"dots":        func(n int) string { return strings.Repeat(".", n) },
		"spaces":      func(n int) string { return strings.Repeat(" ", n-1) + "a" },
		"line ends":   func(n int) string { return strings.Repeat("\n", n) },
		"a header":    func(n int) string { return strings.Repeat("A", n) + "." + body + "." + sig },
		"claims":      func(n int) string { return head + "." + strings.Repeat("A", n) + "." + sig },
		"a signature": func(n int) string { return good[:dot+1] + strings.Repeat("A", n) },
		"members":     func(n int) string { return b64("{"+members(n/16)+`"alg":"`+string(alg)+`"}`) + "." + body + "." + sig },
		"nesting":     func(n int) string { return b64(`{"x":`+strings.Repeat("[", n/2)) + "." + body + "." + sig },
		"a list": func(n int) string {
			return b64(`{"x":[1`+strings.Repeat(",1", n/3)+`],"alg":"x"}`) + "." + body + "." + sig
		},
		"escapes":           func(n int) string { return b64(`{"alg":"`+strings.Repeat(`\u0041`, n/8)+`"}`) + "." + body + "." + sig },
		"a number":          func(n int) string { return b64(`{"alg":`+strings.Repeat("9", n/2)+`}`) + "." + body + "." + sig },
		"blanks in JSON":    func(n int) string { return b64("{"+strings.Repeat(" ", n/2)+`"alg":"x"}`) + "." + body + "." + sig },
		"many bearer words": func(n int) string { return strings.Repeat("Bearer ", n/7) + good },
	}
	for name, grow := range grown {
		for _, n := range []int{700, 8000, 64 << 10, 1 << 20} {
			kinds[fmt.Sprintf("%s, %d bytes", name, n)] = grow(n)
		}
	}
	return kinds
}

// members returns n members with names of their own.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

// TestNoJunkIsDearerThanAGoodToken holds each kind against a good token of its
// algorithm and, up to MaxBytes, its size: in time and in memory.
func TestNoJunkIsDearerThanAGoodToken(t *testing.T) {
	slack := 4.0 // this test may have company
	if os.Getenv("RAMPART_BARS") != "" {
		slack = 1.25
	}
	for _, alg := range []auth.Algorithm{auth.HS256, auth.RS256, auth.ES256, auth.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			keys, _ := keysFor(t, alg)
			v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys, c.CacheSize = keys, -1 })
			good := issued(t, keys, "")
			kinds := junk(alg, good)
			require.GreaterOrEqual(t, len(kinds), 100)
			small := measure(t, v, good, true)
			large := measure(t, v, issued(t, keys, strings.Repeat("x", 5400)), true)
			worst, dearest := "", 0.0
			for kind, raw := range kinds {
				bar := small
				if len(raw) > 2*len(good) && len(raw) <= 8192 {
					bar = large
				}
				got := measure(t, v, raw, false)
				assert.LessOrEqual(t, got.bytes, small.bytes+512, "%s: no allocation in proportion to it", kind)
				if times := float64(got.took) / float64(bar.took); times > dearest {
					dearest, worst = times, kind
				}
			}
			assert.LessOrEqual(t, dearest, slack, worst)
			t.Logf("%d kinds; a good token takes %v, one of 8 kB %v; dearest of its size: %s, %.2f times", len(kinds), small.took, large.took, worst, dearest)
		})
	}
}

// A price is what one check costs, at best: others on the machine count little.
type price struct {
	took  time.Duration
	bytes uint64
}

func measure(tb testing.TB, v *auth.Verifier, raw string, good bool) price {
	tb.Helper()
	r := request(tb, "Bearer "+raw)
	check := func() {
		if _, err := v.Check(r); (err == nil) != good {
			tb.Fatalf("%v for %.200q", err, raw)
		}
	}
	const runs = 8
	p := price{took: time.Hour, bytes: math.MaxUint64}
	for range 10 { // now and then a pool is emptied
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		check()
		runtime.ReadMemStats(&after)
		p.bytes = min(p.bytes, after.TotalAlloc-before.TotalAlloc)
	}
	for range 6 {
		p.took = min(p.took, cputime.Spent(func() {
			for range runs {
				check()
			}
		})/runs)
	}
	return p
}
