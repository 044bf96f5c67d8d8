package apikey_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
)

// lineCounter counts lines and keeps none.
type lineCounter struct{ lines atomic.Int64 }

func (c *lineCounter) Write(b []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAFloodOfGuessesLeavesNoTrace sends distinct keys, with the right checksum
// and without, each from another address, past a Keys with a cache: 10 M of them
// with RAMPART_BARS.
func TestAFloodOfGuessesLeavesNoTrace(t *testing.T) {
	count := 100_000
	if os.Getenv("RAMPART_BARS") != "" {
		count = 10_000_000
	}
	log := new(lineCounter)
	f := newFixture(t, func(c *apikey.Config) {
		c.CacheTTL, c.Logger = time.Hour, slog.New(slog.NewJSONHandler(log, nil))
	})
	_, text := f.make(t)
	served := 0
	h := f.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	w := nullWriter{}
	sent := 0
	send := func(text string) {
		clear(w)
		r := request(t, "X-API-Key", text)
		sent++ // each from another address: what is folded is not all from one
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", sent>>16&255, sent>>8&255, sent&255)
		h.ServeHTTP(w, r)
	}
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random := rand.New(rand.NewPCG(1, 2))
	guess := func(i int) string {
		var b strings.Builder
		b.WriteString(prefix + "_")
		for n := range 47 {
			if n == 16 {
				b.WriteByte('_')
				continue
			}
			b.WriteByte(letters[random.IntN(len(letters))])
		}
		if i%2 == 0 {
			return b.String() + "000000"
		}
		return b.String() + crc62(b.String())
	}
	send(text)
	flood := func(n int) {
		for i := range n {
			send(guess(i))
		}
	}
	flood(count / 10)
	before, began := heap(), time.Now()
	flood(count - count/10)
	seconds := time.Since(began).Seconds()
	grown := heap() - before
	t.Logf("%d guesses in %.1f s: the heap has grown by %d bytes, %d log lines", count, seconds, grown, log.lines.Load())
	assert.Less(t, grown, int64(512<<10))
	assert.Less(t, float64(log.lines.Load()), 1000*(seconds+1))
	require.Equal(t, 1, served, "of all these only the key that is one")
	reads := f.store.lookups.Load()
	send(text)
	assert.Equal(t, 2, served)
	assert.Equal(t, reads, f.store.lookups.Load(), "the good key is warm still")
}
