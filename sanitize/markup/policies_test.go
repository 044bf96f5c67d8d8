package markup_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// TestRandomPolicies makes policies of random elements and options: a table's cells
// without tables, items without lists, frames beside escaped tags.
func TestRandomPolicies(t *testing.T) {
	n := 100
	if os.Getenv("RAMPART_BARS") != "" {
		n = 10_000
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	pieces, around := vectors(t), containers(t)
	for _, tag := range plainElements {
		pieces = append(pieces, "<"+tag+">", "</"+tag+">")
	}
	for range n {
		var tags []string
		for _, tag := range plainElements {
			if rng.IntN(4) == 0 {
				tags = append(tags, tag)
			}
		}
		opts := []markup.Option{markup.AllowTags(tags...)}
		for _, opt := range []markup.Option{
			markup.EscapeDisallowed(), markup.DropCode(), markup.Linkify(), markup.LinkifyEmails(), markup.AllowFrames("www.youtube-nocookie.com"),
			markup.AllowDataImages(1000, "image/gif"), markup.AllowNewTabs(), markup.AllowCheckboxes(), markup.AllowIDs("user-content-"),
			markup.AllowStyles("*", "color", "height", "float", "display"), markup.AllowAttrs("*", "href", "title", "srcset", "align", "cite"),
		} {
			if rng.IntN(3) == 0 {
				opts = append(opts, opt)
			}
		}
		h, err := markup.New(opts...)
		require.NoError(t, err)
		for range 40 {
			var b strings.Builder
			for range 1 + rng.IntN(14) {
				b.WriteString(pieces[rng.IntN(len(pieces))])
			}
			checked(t, h, true, b.String(), fmt.Sprint("seed ", seed, tags), around[rng.IntN(len(around))])
		}
	}
}
