package weborigin_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/ecolaura/rampart/internal/weborigin"
)

// suffix reports whether x/net has name as a public suffix.
func suffix(name string) bool {
	found, _ := publicsuffix.PublicSuffix(name)
	return found == name
}

func isOpen(t *testing.T, origin string) bool {
	t.Helper()
	p, ok := weborigin.ParsePattern(origin)
	require.True(t, ok, origin)
	return p.Open()
}

// A name may have others' names below it, though it is not theirs: the buckets of
// everybody below amazonaws.com.
func TestAPatternIsOpenAtAndAboveEachPublicSuffix(t *testing.T) {
	text, err := os.ReadFile("suffixes.txt")
	require.NoError(t, err)
	head, list, _ := strings.Cut(string(text), "\n")
	assert.Contains(t, head, publicsuffix.List.String(), "x/net has another list: run scripts/suffixes.sh")
	above := map[string]bool{} // names that have suffixes below them
	for line := range strings.Lines(list) {
		name := strings.TrimLeft(strings.TrimSpace(line), "*.!")
		for {
			_, parent, found := strings.Cut(name, ".")
			if !found {
				break
			}
			above[parent], name = true, parent
		}
	}
	parents, exceptions, wildcards, n := 0, 0, 0, 0
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		name := strings.TrimLeft(line, "*.!")
		switch {
		case strings.HasPrefix(line, "!"):
			exceptions++
			assert.False(t, suffix(name), line)
		case strings.HasPrefix(line, "*."):
			wildcards++
			assert.True(t, suffix("x."+name), line)
		default:
			assert.True(t, suffix(name) || above[name], line)
		}
		if !suffix(name) && line == name {
			parents++
		} else if n++; line == name && n%16 != 0 {
			continue // of the rest, one in sixteen
		}
		for _, host := range []string{name, "x." + name, "y.x." + name} {
			want := suffix(host) || suffix("x."+host) || above[host] && !strings.HasPrefix(line, "!")
			assert.Equal(t, want, isOpen(t, "https://*."+host), host)
		}
	}
	assert.Greater(t, parents, 300)
	assert.Equal(t, 8, exceptions)
	assert.Greater(t, wildcards, 50)
}

func TestAPatternIsOpenAtATopLevelDomain(t *testing.T) {
	for origin, want := range map[string]bool{
		"https://*.com": true, "https://*.intranet": true, "https://*.com.": true, "https://*.s3.amazonaws.com.:*": true, "https://s3.amazonaws.com:*": false, "http://*.localhost": false, "http://*.app.localhost": false,
		"https://*.amazonaws.com": true, "https://*.example.com": false, "https://*.shop.intranet": false,
	} {
		assert.Equal(t, want, isOpen(t, origin), origin)
	}
}
