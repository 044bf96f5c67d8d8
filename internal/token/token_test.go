package token_test

import (
	"strings"
	"testing"

	"github.com/ecolaura/rampart/internal/token"
)

func TestValidKnowsExactlyTheTokenCharacters(t *testing.T) {
	const tchar = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		s := string([]byte{byte(c)})
		if want := strings.Contains(tchar, s); token.Valid(s) != want {
			t.Errorf("Valid(%q) = %t", s, !want)
		}
	}
	if token.Valid("") || !token.Valid("X-Request-ID") || token.Valid("a b") {
		t.Error("whole strings are judged wrong")
	}
}

func TestListedKnowsTheMembersOfALine(t *testing.T) {
	lines := []string{"Accept-Encoding , origin", "no-cache=\"a\""}
	for name, want := range map[string]bool{"Origin": true, "accept-encoding": true, "Accept": false, "no-cache": false, "\u212a": false} {
		if token.Listed(lines, name) != want {
			t.Errorf("Listed(%q) = %t", name, !want)
		}
	}
}
