package markup_test

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func FuzzClean(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v, v)
	}
	policies, around := testedPolicies(f), containers(f)
	f.Fuzz(func(t *testing.T, a, b string) {
		for i, h := range policies {
			out := checked(t, h.Policy, h.rich, a+b, "", around[(i+len(a))%len(around)])
			require.True(t, utf8.ValidString(out))
		}
		markup.StripTags(a + b)
	})
}
