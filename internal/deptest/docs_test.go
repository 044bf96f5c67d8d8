package deptest_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docImports tells the import path of each package name that a code block of
// the documents may use without an import clause.
var docImports = map[string]string{
	"base64": "encoding/base64", "hkdf": "crypto/hkdf", "sha256": "crypto/sha256",
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "log": "log", "slog": "log/slog",
	"netip": "net/netip", "os": "os", "sql": "database/sql", "strings": "strings", "time": "time", "httptest": "net/http/httptest", "testing": "testing",
	"rampart": module, "apikey": module + "/apikey", "auth": module + "/auth", "cors": module + "/cors",
	"headers": module + "/headers", "throttle": module + "/throttle", "sanitize": module + "/sanitize", "fernet": module + "/crypto/fernet", "column": module + "/crypto/column", "tlsconf": module + "/crypto/tlsconf",
	"password": module + "/auth/password", "authsql": module + "/auth/authsql", "ipfilter": module + "/throttle/ipfilter", "feed": module + "/feed",
	"server": module + "/server", "authtest": module + "/auth/authtest", "session": module + "/auth/session", "attack": module + "/attack", "monitor": module + "/monitor", "feedsql": module + "/feed/feedsql", "feedredis": module + "/feed/feedredis", "markup": module + "/sanitize/markup", "gateway": module + "/gateway", "net": "net",
	"prom": module + "/monitor/prom", "otel": module + "/monitor/otel", "iter": "iter",
	"prometheus": "github.com/prometheus/client_golang/prometheus", "collectors": "github.com/prometheus/client_golang/prometheus/collectors", "promhttp": "github.com/prometheus/client_golang/prometheus/promhttp",
	"trace": "go.opentelemetry.io/otel/trace", "metric": "go.opentelemetry.io/otel/metric",
}

var codeBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

// TestEveryCodeBlockOfTheDocumentsCompiles builds the blocks as packages that
// exist only in an overlay of this module.
func TestEveryCodeBlockOfTheDocumentsCompiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		files = append(files, filepath.Join(root(t), name))
	}
	overlay := map[string]string{}
	var packages []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "quick-start.md" { // the packages' own tests build these
			continue
		}
		for i, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
			source, err := complete(block[1])
			if err != nil {
				t.Errorf("%s, block %d: %v", filepath.Base(file), i+1, err)
				continue
			}
			name := fmt.Sprintf("%s_%d", strings.ToLower(strings.TrimSuffix(filepath.Base(file), ".md")), i+1)
			file := filepath.Join(t.TempDir(), "block.go")
			if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay[filepath.Join(root(t), "internal", "docblocks", name, "block.go")] = file
			packages = append(packages, "./internal/docblocks/"+name)
		}
	}
	if len(packages) == 0 {
		t.Fatal("the documents have no code block")
	}
	replace, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", file, "-o", os.DevNull}, packages...)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root(t), "go.work")) // a block may use any module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// complete makes a file of a block: a file as it is, declarations with the
// imports that they use, statements in a function.
func complete(block string) (string, error) {
	if strings.HasPrefix(block, "package ") {
		return block, nil
	}
	for _, body := range []string{block, "func _() error {\n" + block + "\nreturn nil\n}\n"} {
		syntax, err := parser.ParseFile(token.NewFileSet(), "", "package doc\n"+body, 0)
		if err != nil {
			continue
		}
		used := map[string]string{}
		ast.Inspect(syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && docImports[id.Name] != "" {
					used[id.Name] = docImports[id.Name]
				}
			}
			return true
		})
		var b strings.Builder
		b.WriteString("package doc\n\nimport (\n")
		for _, name := range slices.Sorted(maps.Keys(used)) {
			fmt.Fprintf(&b, "\t%s %q\n", name, used[name])
		}
		b.WriteString(")\n\n" + body)
		return b.String(), nil
	}
	return "", fmt.Errorf("neither a file, declarations nor statements:\n%s", block)
}

var namedPath = regexp.MustCompile("`([a-z][a-z0-9]*/[a-z0-9/]+(?:\\.[a-z]+)?|event\\.go)`") // read-only

func TestTheFilesThatContributingNamesAreThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths := namedPath.FindAllStringSubmatch(string(text), -1)
	if len(paths) < 10 {
		t.Fatalf("only %d paths", len(paths))
	}
	for _, path := range paths {
		if path[1] == "testing/synctest" { // the standard library's
			continue
		}
		if _, err := os.Stat(filepath.Join(root(t), path[1])); err != nil {
			t.Error(err)
		}
	}
}
