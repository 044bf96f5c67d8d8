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
)

// TestTheTestsThatDocumentsNameExist keeps a document from claiming what no
// test shows any more.
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
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			found++
			if !exist[m[1]] {
				t.Errorf("%s names %s, which is no test", filepath.Base(file), m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no document names a test")
	}
}
