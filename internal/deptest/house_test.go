package deptest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/ecolaura/rampart"

// allowed reads CONTRIBUTING.md's table of dependencies: for each module the
// packages that may import it.
func allowed(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		path := strings.Trim(cells[0], "| `")
		host, _, _ := strings.Cut(path, "/")
		if len(cells) != 3 || !strings.Contains(host, ".") {
			continue
		}
		for name := range strings.FieldsFuncSeq(cells[1], func(r rune) bool { return strings.ContainsRune(" ,`", r) }) {
			table[path] = append(table[path], name)
		}
	}
	if len(table) == 0 {
		t.Fatal("CONTRIBUTING.md has no table of dependencies")
	}
	return table
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// root is the repository's root, seen from this package's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// listed holds the packages of the root module and all that they depend on.
var listed = sync.OnceValues(func() (map[string]pkg, error) { return listIn(".") })

// listedAll holds those of every module that users get.
var listedAll = sync.OnceValues(func() (map[string]pkg, error) {
	all := map[string]pkg{}
	for _, dir := range released {
		found, err := listIn(dir)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, found)
	}
	return all, nil
})

func listIn(dir string) (map[string]pkg, error) {
	work, err := workFile(dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,Imports,Deps,Module", "./...")
	cmd.Dir = filepath.Join("..", "..", dir)
	cmd.Env = append(os.Environ(), "GOWORK="+work, "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
	return all, nil
}

// workFile returns the GOWORK for the module in a folder of this tree.
func workFile(dir string) (string, error) {
	out, err := exec.Command("bash", filepath.Join("..", "..", "scripts", "work.sh"), filepath.Join("..", "..", dir)).Output()
	return strings.TrimSpace(string(out)), err
}

func list(t *testing.T) map[string]pkg {
	t.Helper()
	all, err := listed()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return all
}

// own returns the packages of this module by their path below it: the public
// ones, or all with internal ones included.
func own(all map[string]pkg, internal bool) map[string]pkg {
	found := map[string]pkg{}
	for path, p := range all {
		below, ok := strings.CutPrefix(path, module)
		if !ok || !internal && strings.Contains(path, "/internal/") {
			continue
		}
		found[strings.TrimPrefix(below, "/")] = p
	}
	return found
}

// whole is a service of all packages, for tests and the example that is attacked.
const whole = "internal/weak"

func TestEachPackageImportsOnlyWhatTheTableAllows(t *testing.T) {
	all, table := list(t), allowed(t)
	used := map[string]bool{}
	for name, p := range own(all, true) {
		for _, path := range p.Imports {
			switch dep := all[path]; {
			case name == whole, path == module+"/"+whole:
				if path == module+"/"+whole {
					t.Errorf("package %q imports %s, which is for tests", name, path)
				}
			case dep.Standard, path == module && name != "", strings.HasPrefix(path, module+"/internal/"), sameFolder(name, path):
			case dep.Module != nil && slices.Contains(table[dep.Module.Path], name):
				used[dep.Module.Path+" "+name] = true
			default:
				t.Errorf("package %q imports %s", name, path)
			}
		}
	}
	for path, names := range table {
		for _, name := range names {
			if _, ok := own(all, true)[name]; ok && !used[path+" "+name] {
				t.Errorf("CONTRIBUTING.md: package %q does not import %s", name, path)
			}
		}
	}
}

// A module that a program links comes in unseen with another one, so the list
// of them is kept: its diff is for a reviewer.
func TestEachPackageLinksTheModulesOfTheList(t *testing.T) {
	all := list(t)
	var got strings.Builder
	for name, p := range sorted(own(all, false)) {
		links := map[string]bool{}
		for _, path := range p.Deps {
			if dep := all[path]; !dep.Standard && dep.Module != nil && dep.Module.Path != module {
				links[dep.Module.Path] = true
			}
		}
		fmt.Fprintln(&got, strings.Join(append([]string{path.Join(module, name) + ":"}, slices.Sorted(maps.Keys(links))...), " "))
	}
	generated(t, filepath.Join("internal", "deptest", "testdata", "links.txt"), func(string) string { return got.String() })
}

func TestTheLinterHasTheTable(t *testing.T) {
	allow := map[string]map[string]bool{}
	for name := range own(list(t), false) {
		if top, _, _ := strings.Cut(name, "/"); top != "" {
			allow[top] = map[string]bool{}
		}
	}
	for path, names := range allowed(t) {
		for _, name := range names {
			top, _, _ := strings.Cut(name, "/")
			if _, internal := own(list(t), true)[name]; internal && top == "internal" { // a room of its own
				top, allow[name] = name, map[string]bool{}
			}
			if allow[top] != nil {
				allow[top][path] = true
			}
		}
	}
	var rules strings.Builder
	for top, paths := range sorted(allow) {
		quoted := []string{`"$gostd"`, strconv.Quote(module + "$"), strconv.Quote(module + "/internal")}
		if !strings.HasPrefix(top, "internal/") { // depguard looks at one of two prefixes only
			quoted = append(quoted, strconv.Quote(module+"/"+top))
		}
		for path := range sorted(paths) {
			quoted = append(quoted, strconv.Quote(path))
		}
		fmt.Fprintf(&rules, "        %[1]s:\n          list-mode: strict\n          files: [\"**/%[1]s/**.go\", \"!$test\"]\n          allow: [%[2]s]\n", top, strings.Join(quoted, ", "))
	}
	const begin, end = "      rules: # generated: RAMPART_UPDATE=1 go test ./internal/deptest\n", "    forbidigo:\n"
	generated(t, ".golangci.yml", func(old string) string {
		before, rest, ok := strings.Cut(old, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatal(".golangci.yml has no place for the rules")
		}
		return before + begin + rules.String() + end + after
	})
}

// generated holds a file against what it should be, and with RAMPART_UPDATE=1 writes it.
func generated(t *testing.T, name string, from func(old string) string) {
	t.Helper()
	file := filepath.Join(root(t), name)
	old, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	text := from(string(old))
	if text == string(old) {
		return
	}
	if os.Getenv("RAMPART_UPDATE") == "" {
		t.Fatalf("write %s anew: RAMPART_UPDATE=1 go test ./internal/deptest", name)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sorted goes through m in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// sameFolder reports whether the package at path stands under the same top
// folder as the package called name. The compiler refuses circles.
func sameFolder(name, path string) bool {
	below, ok := strings.CutPrefix(path, module+"/")
	top, _, _ := strings.Cut(name, "/")
	other, _, _ := strings.Cut(below, "/")
	return ok && name != "" && top == other
}

func TestInternalPackagesDoNotImportPublicOnes(t *testing.T) {
	for name, p := range own(list(t), true) {
		if !strings.HasPrefix(name, "internal/") || name == whole {
			continue
		}
		for _, path := range p.Imports {
			if below, ok := strings.CutPrefix(path, module+"/"); ok && !strings.HasPrefix(below, "internal/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

func TestTheRootModuleHoldsNoDriverAndNoReplace(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"replace", "tool ", "sqlite", "pgx", "lib/pq", "redis", "rueidis", "redigo", "chromedp", "playwright", "golang-jwt", "rs/cors", "go-chi"} {
		if strings.Contains(string(text), word) {
			t.Errorf("go.mod of the published module holds %q", word)
		}
	}
}

func TestEachNestedModuleRequiresAndReplacesTheRoot(t *testing.T) {
	for _, name := range modFiles(t) {
		dir := filepath.Dir(name)
		if slices.Contains(released, dir) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(t), dir, "go.mod"))
		if err != nil {
			t.Error(err)
			continue
		}
		up := strings.Repeat("../", strings.Count(dir, "/")) + ".."
		for _, line := range []string{module + " v0.0.0", "replace " + module + " => " + up} {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s/go.mod lacks %q", dir, line)
			}
		}
	}
}

func TestAModuleThatUsersGetReplacesNothing(t *testing.T) {
	for _, dir := range released {
		text, err := os.ReadFile(filepath.Join(root(t), dir, "go.mod"))
		if err != nil {
			t.Error(err)
			continue
		}
		if strings.Contains(string(text), "replace") {
			t.Errorf("%s/go.mod has a replace, which users would not have", dir)
		}
		if dir != "." && !strings.Contains(string(text), module+" v0.0.0\n") {
			t.Errorf("%s/go.mod names another version of the root than v0.0.0: scripts/release.sh writes it, beside the branch", dir)
		}
	}
}

// parsed calls f for each file of the packages of every module that users get,
// tests left out.
func parsed(t *testing.T, internal bool, f func(name, file string, fset *token.FileSet, syntax *ast.File)) {
	t.Helper()
	all, err := listedAll()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for name, p := range own(all, internal) {
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			syntax, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			f(name, file, fset, syntax)
		}
	}
}

func TestNoFileIsLong(t *testing.T) {
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if n := strings.Count(string(text), "\n"); n > 500 {
			t.Errorf("%s has %d lines", path, n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
