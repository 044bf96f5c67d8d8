package sanitize_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/sanitize"
)

// keys is a JSON object of n members.
func keys(n int, name func(i int) string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s":1`, name(i))
	}
	return b.String() + "}"
}

// A bomb is a body of at most maxBomb bytes that is read, when it is inflated.
type bomb struct {
	desc, media, body string
	gzip              bool
}

const maxBomb = 1 << 20

func (tt *bomb) request() *http.Request {
	media := tt.media
	if media == "" {
		media = "application/json"
	}
	r := post(media, tt.body)
	r.ContentLength = -1 // it does not say how large it is
	if tt.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	return r
}

func (tt *bomb) size() int {
	if tt.gzip {
		return maxBomb
	}
	return min(len(tt.body), maxBomb)
}

// refuses checks that b refuses tt in the time and memory that TestBombs
// allows, and returns the error. Without RAMPART_BARS the time is 64 times that:
// no machine is so slow, and what is not linear takes seconds.
func refuses[T any](t *testing.T, b *sanitize.Binder[T], tt bomb, name string) (err error) {
	t.Helper()
	bar, tries := time.Millisecond*time.Duration(max(1, tt.size()/(64<<10))), 30
	if os.Getenv("RAMPART_BARS") == "" {
		bar, tries = 64*bar, 3
	}
	least, memory := time.Hour, uint64(1<<40)
	for try := 0; try < tries && (least > bar || memory > 4*maxBomb); try++ {
		r := tt.request()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		least = min(least, cputime.Spent(func() { _, err = b.Bind(httptest.NewRecorder(), r) }))
		runtime.ReadMemStats(&after)
		memory = min(memory, after.TotalAlloc-before.TotalAlloc)
	}
	t.Logf("%s: %v of %v, %d KB", name, least, bar, memory>>10)
	assert.LessOrEqual(t, memory, uint64(4*maxBomb), name)
	assert.LessOrEqual(t, least, bar, name)
	return err
}

// TestBombs: each is refused with no more memory in all than four times the
// limit of a body, and within a millisecond for each 64 KB of it.
func TestBombs(t *testing.T) {
	const limit = maxBomb
	cfg := sanitize.Config{Limits: sanitize.Limits{
		MaxBody: limit, AllowEncoded: true, ContentTypes: []string{"application/json", formType, multipartType},
	}}
	unknown := cfg
	unknown.AllowUnknown = true
	type T struct {
		A    string          `json:"a"`
		List []int           `json:"list"`
		Dict map[string]int  `json:"dict"`
		Tree map[string]any0 `json:"tree"`
		File []sanitize.File `json:"file" validate:"dive,types=text/plain"`
	}
	strict, lax := newBinder[T](t, cfg), newBinder[T](t, unknown)
	plain := func(i int) string { return fmt.Sprintf("%07x", i) }
	fill := func(s string) string { return strings.Repeat(s, limit/len(s)) }
	const part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"
	tests := []bomb{
		{desc: "deep nesting of lists", body: fill("[")},
		{desc: "deep nesting of objects", body: fill(`{"a":`)},
		{desc: "deep nesting in a field", body: `{"tree":` + strings.Repeat(`{"a":`, limit/6)},
		{desc: "a million keys", body: keys(limit/13, plain)},
		{desc: "a million keys of a dictionary", body: `{"dict":` + keys(limit/13, plain) + "}"},
		{desc: "keys of one length and sum, which collide in weak hashes", body: `{"dict":` + keys(limit/40, func(i int) string {
			return strings.NewReplacer("0", "Aa", "1", "BB").Replace(fmt.Sprintf("%016b", i))
		}) + "}"},
		{desc: "one key a million times", body: keys(limit/13, func(int) string { return "0000000" })},
		{desc: "a million elements", body: `{"list":[` + strings.Repeat("1,", limit/2-20) + "1]}"},
		{desc: "a long number", body: `{"list":[` + strings.Repeat("1", limit-20) + "]}"},
		{desc: "a long exponent", body: `{"list":[1e` + strings.Repeat("1", limit-20) + "]}"},
		{desc: "a long string", body: `{"a":"` + strings.Repeat("a", limit-20) + `"}`},
		{desc: "a long string of escapes", body: `{"a":"` + strings.Repeat(`\u0041`, limit/6-20) + `"}`},
		{desc: "a long name", body: `{"` + strings.Repeat("a", limit-20) + `":1}`},
		{desc: "white space", body: strings.Repeat(" ", limit)},
		{desc: "a large body", body: strings.Repeat(" ", 8*limit)},
		{desc: "a body that inflates", body: gzipped(t, strings.Repeat(" ", 100*limit)), gzip: true},
		{desc: "many parameters", media: formType, body: fill("a&")},
		{desc: "many escapes", media: formType, body: "a=" + strings.Repeat("%41", limit/3-2)},
		{desc: "many parts", media: multipartType + "; boundary=b", body: strings.Repeat(part, limit/len(part)-1) + "--b--"},
		{desc: "many files", media: multipartType + "; boundary=b", body: strings.Repeat(strings.Replace(part, "=a", "=file; filename=a.txt", 1), limit/80) + "--b--"},
		{desc: "a huge part header", media: multipartType + "; boundary=b", body: strings.Replace(part, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", limit-100)+"\r\n\r\n", 1) + "--b--"},
		{desc: "parts with many header lines", media: multipartType + "; boundary=b", body: strings.Repeat("--b\r\n"+strings.Repeat("A:\r\n", 1300)+"\r\n", 200) + "--b--"},
		{desc: "what is nearly a boundary", media: multipartType + "; boundary=" + strings.Repeat("-", 69), body: fill("\r\n" + strings.Repeat("-", 70))},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			require.Error(t, refuses(t, strict, tt, "strict"))
			require.Error(t, refuses(t, lax, tt, "lax"))
		})
	}
}

// any0 is a value that may hold more of its kind.
type any0 struct {
	A map[string]any0 `json:"a"`
}
