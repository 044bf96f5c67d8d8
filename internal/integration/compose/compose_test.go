package compose_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
)

// Each foreign middleware stands inside and outside of ours, over both protocols,
// in each scenario. An answer is held against that of the same stack without ours,
// and against that of ours alone. Without RAMPART_BARS each middleware meets every
// twelfth scenario.
func TestLayersComposeWithForeignMiddleware(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.txt")
	f, err := os.Create(file)
	require.NoError(t, err)
	_, err = io.CopyN(f, rand.Reader, 2<<20)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	all, every := scenarios(), 12
	if os.Getenv("RAMPART_BARS") == "1" {
		every = 1
	}
	for i, other := range foreign(t) {
		t.Run(other.name, func(t *testing.T) {
			t.Parallel()
			for j, sc := range all {
				if (i+j)%every != 0 {
					continue
				}
				for _, h2 := range []bool{false, true} {
					t.Run(sc.name+map[bool]string{false: ", HTTP/1.1", true: ", HTTP/2"}[h2], func(t *testing.T) {
						alone := run(t, sc, rampart.Chain(), h2, file) // the handler's own
						without := run(t, sc, other.is, h2, file)
						our := ours(t)
						if sc.kind == panicked {
							our = rampart.Chain(server.Recover(slog.New(slog.DiscardHandler)), our)
						}
						pure := run(t, sc, our, h2, file)
						checkOwn(t, sc, pure)
						if sc.kind == refused { // one that has not been used up
							our = ours(t)
						}
						t.Run("inside", func(t *testing.T) {
							compare(t, sc, run(t, sc, rampart.Chain(our, other.is), h2, file), without, pure, alone)
						})
						if sc.kind == refused {
							our = ours(t)
						}
						t.Run("outside", func(t *testing.T) {
							if writesPeer(other.name) {
								// net/http reads a body to its end before it sends a refusal, and
								// this client's ends after it.
								if sc.kind == theirs && sc.name != "full duplex" {
									checkForged(t, run(t, sc, rampart.Chain(other.is, our), h2, file))
								}
								return
							}
							compare(t, sc, run(t, sc, rampart.Chain(other.is, our), h2, file), without, pure, alone)
						})
					})
				}
			}
		})
	}
}

// writesPeer reports whether a middleware writes an address without a port, which
// anyone may have sent, over that of the TCP peer. It belongs inside of ours.
func writesPeer(name string) bool { return name == "chi RealIP" || name == "gorilla ProxyHeaders" }

// checkForged checks that a caller whose address is forged is refused: nobody would be
// limited.
func checkForged(t *testing.T, x exchange) {
	t.Helper()
	assert.Equal(t, http.StatusForbidden, x.status)
	for _, name := range protections {
		if name != "Vary" {
			assert.Len(t, x.header[name], 1, name)
		}
	}
}

// checkOwn holds the answer of ours alone against what every answer of ours has.
func checkOwn(t *testing.T, sc scenario, pure exchange) {
	t.Helper()
	if pure.header == nil || sc.kind == switched {
		return
	}
	for _, name := range protections {
		if strings.HasPrefix(name, "Access-Control") && (sc.name == "403 by cors" || sc.name == "400 by headers") {
			continue
		}
		if name == "Vary" {
			assert.True(t, sc.name == "400 by headers" || slices.Contains(varying(pure.header), "origin"), name)
			continue
		}
		assert.Len(t, pure.header[name], 1, name)
	}
}

var digits = regexp.MustCompile(`[0-9]+`) // read-only

// compare holds x, of a stack with both, against that without ours and against ours
// alone. Alone is the handler's own answer.
func compare(t *testing.T, sc scenario, x, without, pure, alone exchange) {
	t.Helper()
	want := without
	if sc.kind == refused || sc.kind == panicked && pure.failure == "" && x.failure == "" {
		want = pure
	}
	assert.Equal(t, want.failure, x.failure, "failure")
	assert.Equal(t, want.status, x.status, "status")
	assert.LessOrEqual(t, superfluous(x), max(superfluous(without), superfluous(pure)), "%s", x.log)
	switch sc.kind {
	case theirs, switched:
		if x.failure == "" {
			assert.Equal(t, want.body, x.body, "body")
		}
	case refused:
		assert.Equal(t, digits.ReplaceAllString(want.body, "0"), digits.ReplaceAllString(x.body, "0"), "body")
	case panicked: // whichever recover is the innermost chooses the body
	}
	assert.Equal(t, want.trailer, x.trailer, "trailers")
	assert.Equal(t, want.notes, x.notes, "what happened")
	assert.Len(t, x.early, len(want.early), "informational answers")
	for i, early := range x.early {
		assert.Equal(t, want.early[i]["Link"], early["Link"])
		assertOnce(t, early)
	}
	if x.header == nil {
		return
	}
	assertOnce(t, x.header)
	for name, values := range want.header {
		if sc.kind == panicked && !slices.Contains(protections, name) { // another recover may have answered
			continue
		}
		switch name {
		case "Content-Length": // it tells nothing beside another encoding
			if slices.Equal(want.header["Content-Encoding"], x.header["Content-Encoding"]) {
				assert.Equal(t, values, x.header[name], name)
			}
		case "Date", "X-Request-Id", "Ratelimit", "Retry-After", "Vary", "X-Frame-Options", "Referrer-Policy", "Sec-Websocket-Accept":
			assert.NotEmpty(t, x.header[name], name)
		default:
			assert.Equal(t, values, x.header[name], name)
		}
	}
	added := maps.Clone(pure.header)
	if pure.header == nil { // ours has had no answer to put it on
		added = http.Header{}
		for _, name := range protections {
			added[name] = nil
		}
	}
	for name := range added {
		if alone.header[name] == nil && sc.kind != panicked || slices.Contains(protections, name) {
			assert.NotEmpty(t, x.header[name], "ours: %s", name)
		}
	}
	sources := []http.Header{pure.header}
	if sc.kind == theirs { // else the other middleware may not have run
		sources = append(sources, without.header)
	}
	for _, source := range sources {
		for _, name := range varying(source) {
			assert.Contains(t, varying(x.header), name)
		}
	}
}

// assertOnce fails if h has a field twice that no layer may give twice, or a name
// twice in its Vary.
func assertOnce(t *testing.T, h http.Header) {
	t.Helper()
	for name, values := range h {
		switch name {
		case "Set-Cookie", "X-Twice", "Vary":
		default:
			assert.Len(t, values, 1, name)
		}
	}
	names := varying(h)
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), "Vary: %s", names)
}

// varying returns the names of a Vary.
func varying(h http.Header) (names []string) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	return names
}

// superfluous counts the complaints of net/http that a header comes too late.
func superfluous(x exchange) (n int) {
	for _, line := range x.log {
		if strings.Contains(line, "superfluous") {
			n++
		}
	}
	return n
}
