package deptest_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// phrase is one that is not to be written, with what to write in its place.
type phrase struct {
	is     *regexp.Regexp
	better string
}

// phrases returns those of CONTRIBUTING's table that are code: its first column is a
// regular expression.
func phrases(t *testing.T) (all []phrase) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| Not | But |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if len(cells) != 2 {
			t.Fatalf("CONTRIBUTING.md: %q has not two cells", line)
		}
		if pattern, ok := strings.CutPrefix(cells[0], "`"); ok {
			pattern = strings.ReplaceAll(strings.TrimSuffix(pattern, "`"), `\|`, "|")
			all = append(all, phrase{regexp.MustCompile(`(?i)\b(?:` + pattern + `)\b`), cells[1]})
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d phrases are found", len(all))
	}
	return all
}

var quoted = regexp.MustCompile("(?ms)^```.*?^```|`[^`]*`|\"[^\"\n]*\"") // read-only

// TestWordsAreThoseOfTheTable: in every comment and document, quotations left out.
func TestWordsAreThoseOfTheTable(t *testing.T) {
	all := phrases(t)
	look := func(where, text string) {
		text = quoted.ReplaceAllString(text, "")
		for _, p := range all {
			if found := p.is.FindString(text); found != "" {
				t.Errorf("%s: %q: write %s", where, found, p.better)
			}
		}
	}
	parsed(t, true, func(_, _ string, fset *token.FileSet, syntax *ast.File) {
		for _, group := range syntax.Comments {
			look(fset.Position(group.Pos()).String(), strings.Join(strings.Fields(group.Text()), " "))
		}
	})
	for file, text := range documents(t) {
		if filepath.Base(file) == "CONTRIBUTING.md" {
			text, _, _ = strings.Cut(text, "| Not | But |")
		}
		for i, line := range strings.Split(quoted.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }), "\n") {
			for _, p := range all {
				if found := p.is.FindString(line); found != "" {
					t.Errorf("%s:%d: %q: write %s", file, i+1, found, p.better)
				}
			}
		}
	}
}
