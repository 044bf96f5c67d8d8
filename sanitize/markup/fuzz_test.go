package markup_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func FuzzClean(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v, v)
	}
	policies := []*markup.Policy{new(markup.Policy), markup.Basic(), markup.UGC()}
	for _, h := range policies {
		policies = append(policies, policy(f, h, markup.Linkify(), markup.LinkifyEmails()))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, h := range policies {
			out := h.Clean(a + b)
			require.Equal(t, out, h.Clean(out))
			require.True(t, utf8.ValidString(out))
			require.True(t, contained(t, out), out)
			require.False(t, live(t, out), out)
		}
		markup.StripTags(a + b)
	})
}
