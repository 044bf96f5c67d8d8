package sanitize_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/sanitize"
)

func TestText(t *testing.T) {
	tests := []struct {
		desc, in, line, lines string
	}{
		{"plain text stays", "plain text", "plain text", "plain text"},
		{"the ends are trimmed", " \u00a0a \u3000", "a", "a"},
		{"NFC", "cafe\u0301", "café", "café"},
		{"what a dropped control parted is composed", "e\x01\u0301", "é", "é"},
		{"NUL and controls go", "a\x00b\x1b[31m\u009bc\x7f", "ab[31mc", "ab[31mc"},
		{"line breaks of all kinds", "a\r\nb\rc\nd\ve\ff\u0085g\u2028h\u2029i", "a b c d e f g h i", "a\nb\nc\nd\ne\nf\ng\nh\ni"},
		{"tabs", "a\tb", "a b", "a\tb"},
		{"bidi controls go", "a\u202eb\u202cc\u2066d\u2069", "abcd", "abcd"},
		{"joiners and marks stay", "نامه\u200cای \u200f👩\u200d🔬", "نامه\u200cای \u200f👩\u200d🔬", "نامه\u200cای \u200f👩\u200d🔬"},
		{"invalid UTF-8", "a\xffb", "a\ufffdb", "a\ufffdb"},
		{"nothing", "", "", ""},
		{"nothing but space", "\n \t", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			assert.Equal(t, tt.line, sanitize.Text(tt.in, false))
			assert.Equal(t, tt.lines, sanitize.Text(tt.in, true))
			assert.Equal(t, tt.line, sanitize.Text(tt.line, false))
			assert.Equal(t, tt.lines, sanitize.Text(tt.lines, true))
		})
	}
}

func TestLogLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":                   "plain é",
		"a\r\nforged":               `a\r\nforged`,
		"\x1b[2J\u009b":             `\x1b[2J\u009b`,
		"\u2028\u2029\u202e\u200b":  `\u2028\u2029\u202e\u200b`,
		"\xff\x00":                  `\xff\x00`,
		`\n`:                        `\\n`,
		strings.Repeat("a", 1024):   strings.Repeat("a", 1024),
		strings.Repeat("a", 100000): strings.Repeat("a", 1024) + "…",
	} {
		assert.Equal(t, want, sanitize.LogLine(in))
	}
}
