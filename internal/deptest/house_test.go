package deptest_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/ecolaura/rampart"

// rule is what one public package may use beyond the standard library, the
// root package, internal/ and the packages under its own top folder.
type rule struct {
	imports []string // packages of other modules that it imports itself
	links   []string // modules that a program using it links, its own imports' requirements included
}

// rules has one line for each public package. A new import or a module that
// comes in with one must be added here, with its reason in CONTRIBUTING.md.
var rules = map[string]rule{
	"":                  {},
	"apikey":            {},
	"apikey/apikeysql":  {},
	"apikey/apikeytest": {},
	"attack":            {},
	"auth": {
		imports: []string{"github.com/lestrrat-go/jwx/v2/jwk", "github.com/go-json-experiment/json", "github.com/go-json-experiment/json/jsontext"},
		links: []string{
			"github.com/lestrrat-go/jwx/v2", "github.com/go-json-experiment/json", "github.com/lestrrat-go/blackmagic",
			"github.com/lestrrat-go/httpcc", "github.com/lestrrat-go/httprc", "github.com/lestrrat-go/iter", "github.com/lestrrat-go/option",
			"github.com/decred/dcrd/dcrec/secp256k1/v4", "github.com/goccy/go-json", "github.com/segmentio/asm", "golang.org/x/crypto", "golang.org/x/sys",
		},
	},
	"auth/authredis":         {},
	"auth/authsql":           {},
	"auth/authtest":          {},
	"auth/password":          {imports: []string{"golang.org/x/crypto/argon2", "golang.org/x/crypto/bcrypt"}, links: []string{"golang.org/x/crypto", "golang.org/x/sys"}},
	"cors":                   {imports: []string{"golang.org/x/net/publicsuffix"}, links: []string{"golang.org/x/net"}},
	"crypto":                 {},
	"crypto/column":          {},
	"crypto/fernet":          {},
	"crypto/tlsconf":         {},
	"feed":                   {},
	"feed/feedredis":         {},
	"feed/feedsql":           {},
	"feed/feedtest":          {},
	"monitor":                {},
	"server":                 {},
	"headers":                {imports: []string{"github.com/unrolled/secure"}, links: []string{"github.com/unrolled/secure"}},
	"throttle":               {imports: []string{"golang.org/x/time/rate"}, links: []string{"golang.org/x/time"}},
	"throttle/ipfilter":      {},
	"throttle/throttleredis": {},
	"throttle/throttletest":  {},
	"sanitize/markup": {
		imports: []string{"golang.org/x/net/html", "golang.org/x/net/html/atom"},
		links:   []string{"golang.org/x/net"},
	},
	"sanitize": {
		imports: []string{
			"github.com/go-json-experiment/json", "github.com/go-json-experiment/json/jsontext", "github.com/go-playground/validator/v10",
			"golang.org/x/net/idna",
			"golang.org/x/text/secure/precis", "golang.org/x/text/unicode/norm",
		},
		links: []string{
			"github.com/go-json-experiment/json", "github.com/go-playground/validator/v10", "github.com/go-playground/locales", "github.com/go-playground/universal-translator",
			"github.com/gabriel-vasile/mimetype", "github.com/leodido/go-urn", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
		},
	},
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
	cmd.Env = append(os.Environ(), "GOWORK="+work)
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

func TestEachPackageImportsOnlyWhatItsRuleAllows(t *testing.T) {
	all := list(t)
	for name, p := range own(all, false) {
		r, ok := rules[name]
		if !ok {
			t.Errorf("package %q has no rule in the table", name)
			continue
		}
		for _, path := range p.Imports {
			switch {
			case all[path].Standard, path == module && name != "", strings.HasPrefix(path, module+"/internal/"):
			case sameFolder(name, path):
			case slices.Contains(r.imports, path):
			default:
				t.Errorf("package %q imports %s", name, path)
			}
		}
		links := slices.Clone(r.links)
		for _, path := range p.Deps {
			if sameFolder(name, path) {
				links = append(links, rules[strings.TrimPrefix(path, module+"/")].links...)
			}
		}
		for _, path := range p.Deps {
			dep := all[path]
			if dep.Standard || dep.Module == nil || dep.Module.Path == module || slices.Contains(links, dep.Module.Path) {
				continue
			}
			links = append(links, dep.Module.Path) // said once
			t.Errorf("package %q links module %s (by %s)", name, dep.Module.Path, path)
		}
	}
	for name := range rules {
		if _, ok := own(all, false)[name]; !ok {
			t.Errorf("the table has a rule for %q, which is no package", name)
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
		if !strings.HasPrefix(name, "internal/") {
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
