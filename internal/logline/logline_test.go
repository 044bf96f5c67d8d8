package logline_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/logline"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":              "",
		"plain text":    "plain text",
		"grüße 日本":      "grüße 日本",
		"a\r\nb":        `a\r\nb`,
		"\x1b[31mred":   `\x1b[31mred`,
		"a\u2028b":      `a\u2028b`,
		"a\u202eb":      `a\u202eb`,
		"a\u200bb":      `a\u200bb`,
		"a\u00a0b":      `a\u00a0b`,
		"a\u0085b":      `a\u0085b`,
		"\xff":          `\xff`,
		`a\nb`:          `a\\nb`,
		"\ufffd":        "\ufffd",
		"\U000e0041tag": `\U000e0041tag`,
	} {
		if got := logline.Escape(in, 100); got != want {
			t.Errorf("Escape(%q) = %q; want %q", in, got, want)
		}
	}
	if got := logline.Escape(strings.Repeat("a", 10)+"\n", 10); got != strings.Repeat("a", 10)+"…" {
		t.Errorf("cut: got %q", got)
	}
	if got := logline.Escape(strings.Repeat("é", 10), 5); got != "éé…" {
		t.Errorf("cut within a rune: got %q", got)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\x1b[0m", "\u2028", "\xff\xfe", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := logline.Escape(s, 64)
		if len(got) > 64+len("…") || !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
		for _, r := range got {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
	})
}
