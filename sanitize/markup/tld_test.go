package markup_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/ecolaura/rampart/sanitize/markup"
)

func TestTheTopLevelDomainsAreThoseOfThePublicSuffixList(t *testing.T) {
	linkify, err := markup.New(markup.AllowTags("a"), markup.AllowAttrs("a", "href"), markup.Linkify())
	require.NoError(t, err)
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			tld := string(a) + string(b)
			_, known := publicsuffix.PublicSuffix(tld)
			assert.Equal(t, known, strings.Contains(linkify.Clean("example."+tld), "<a "), tld)
		}
	}
	source, err := os.ReadFile("tld.go")
	require.NoError(t, err)
	names := regexp.MustCompile(`xn--[a-z0-9-]+`).FindAllString(string(source), -1)
	require.Greater(t, len(names), 100)
	for _, tld := range names {
		_, known := publicsuffix.PublicSuffix(tld)
		assert.True(t, known, tld)
		assert.Contains(t, linkify.Clean("example."+tld), "<a ", tld)
	}
	assert.NotContains(t, linkify.Clean("example.xn--nosuch a.zip b.go.example"), "<a ")
}
