package deptest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`) // read-only
	named    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")          // read-only
	barTest  = regexp.MustCompile(`\b(Test[A-Z]\w*)`)                    // read-only
)

// TestTheTestsThatDocumentsNameExist keeps a document from claiming what no
// test shows any more, and `make bars` from running what is no longer there.
func TestTheTestsThatDocumentsNameExist(t *testing.T) {
	exist := map[string]bool{}
	err := filepath.WalkDir(root(t), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			exist[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(file string, names *regexp.Regexp) (found int) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range names.FindAllStringSubmatch(string(text), -1) {
			found++
			if !exist[m[1]] && m[1] != "TestOnBorrow" { // a field of redigo's
				t.Errorf("%s names %s, which is no test", filepath.Base(file), m[1])
			}
		}
		return found
	}
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		found += check(file, named)
	}
	if found == 0 {
		t.Error("no document names a test")
	}
	if check(filepath.Join(root(t), "Makefile"), barTest) == 0 {
		t.Error("the Makefile names no test")
	}
}

var opsPath = regexp.MustCompile("(?:(?:\\tadd\\(|\\{|\\}, )\"|` /api/ops|(?:GET|POST) /api/ops)(/(?:[a-z/-]+/|orders/\\{id\\}/)?)[\"`]") // read-only

// TestTheRunbookListsEveryOperatorsCall holds docs/incident-response.md against
// the calls of package incident.
func TestTheRunbookListsEveryOperatorsCall(t *testing.T) {
	paths := func(pattern string) map[string]bool {
		found := map[string]bool{}
		files, err := filepath.Glob(filepath.Join(root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range opsPath.FindAllStringSubmatch(string(text), -1) {
				found[m[1]] = true
			}
		}
		return found
	}
	served, listed := paths("incident/handler.go"), paths("docs/incident-response.md")
	if len(served) == 0 {
		t.Error("package incident serves no call")
	}
	for path := range served {
		if !listed[path] {
			t.Errorf("the runbook does not list %s", path)
		}
	}
	for path := range listed {
		if !served[path] {
			t.Errorf("the runbook lists %s, which package incident does not serve", path)
		}
	}
}
