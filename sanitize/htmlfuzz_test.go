package sanitize_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func FuzzClean(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v, v)
	}
	policies := []*sanitize.HTML{new(sanitize.HTML), sanitize.Basic(), sanitize.UGC()}
	for _, h := range policies {
		policies = append(policies, policy(f, h, sanitize.Linkify(), sanitize.LinkifyEmails()))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, h := range policies {
			out := h.Clean(a + b)
			require.Equal(t, out, h.Clean(out))
			require.True(t, utf8.ValidString(out))
			require.True(t, contained(t, out), out)
			require.False(t, live(t, out), out)
		}
		sanitize.StripTags(a + b)
	})
}
