package deptest_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	referenceBegin  = "<!-- generated: RAMPART_UPDATE=1 go test ./internal/deptest -run Reference -->\n"
	quickStartBegin = "<!-- generated: RAMPART_UPDATE=1 go test ./internal/deptest -run QuickStart -->\n"
)

// quickLines is how long an example of the quick start may be, without its imports.
const quickLines = 62

// between replaces what a document has between begin and the end mark.
func between(t *testing.T, name, begin, text string) {
	t.Helper()
	generated(t, filepath.Join("docs", name), func(old string) string {
		before, rest, ok1 := strings.Cut(old, begin)
		_, after, ok2 := strings.Cut(rest, eventsEnd)
		if !ok1 || !ok2 {
			t.Fatalf("docs/%s has lost the marks around what is generated", name)
		}
		return before + begin + text + eventsEnd + after
	})
}

// settings are structs of settings that are not called Config.
var settings = []string{"Cookies", "CSP", "HSTS", "HealthCheck", "Limits", "Policy", "Proxies", "Rate", "Redirect", "Reencrypt", "Rule", "Stack", "Uploads"} // read-only

func TestTheReferenceHasEverySettingAndCode(t *testing.T) {
	tables, codes := map[string]string{}, map[string][]string{}
	parsed(t, true, func(pkg, _ string, fset *token.FileSet, syntax *ast.File) {
		public := !strings.HasPrefix(pkg, "internal/") && !strings.Contains(pkg, "/internal/")
		ast.Inspect(syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				fields, ok := n.Type.(*ast.StructType)
				if ok && public && n.Name.IsExported() && (strings.HasSuffix(n.Name.Name, "Config") || slices.Contains(settings, n.Name.Name)) {
					name := strings.TrimPrefix(cmp.Or(pkg, "rampart"), "/") + "." + n.Name.Name
					tables[name] = fieldTable(fset, fields)
				}
			case *ast.CompositeLit:
				if code, status := problemCode(n); code != "" && pkg != "internal/weak" {
					row, where := fmt.Sprintf("| `%s` | %s |", code, status), "`"+strings.TrimPrefix(cmp.Or(pkg, "rampart"), "internal/")+"`"
					if !slices.Contains(codes[row], where) {
						codes[row] = append(codes[row], where)
					}
				}
			}
			return true
		})
	})
	var b strings.Builder
	b.WriteString("## Settings\n\n")
	for name, table := range sorted(tables) {
		fmt.Fprintf(&b, "### %s\n\n| Field | Type | |\n|---|---|---|\n%s\n", name, table)
	}
	b.WriteString("## Codes of problems\n\n| `code` | Status | Package |\n|---|---|---|\n")
	for row, packages := range sorted(codes) {
		slices.Sort(packages)
		fmt.Fprintf(&b, "%s %s |\n", row, strings.Join(packages, " "))
	}
	if len(tables) < 40 || len(codes) < 20 {
		t.Errorf("only %d structs and %d codes are found", len(tables), len(codes))
	}
	between(t, "reference.md", referenceBegin, b.String())
}

func fieldTable(fset *token.FileSet, s *ast.StructType) string {
	var b strings.Builder
	for _, f := range s.Fields.List {
		var typ bytes.Buffer
		_ = printer.Fprint(&typ, fset, f.Type)
		about := new(doc.Package).Synopsis(cmp.Or(f.Doc.Text(), f.Comment.Text()))
		for _, name := range f.Names {
			if name.IsExported() {
				fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", name.Name, typ.String(), cell(about))
			}
		}
	}
	return b.String()
}

// cell is s as a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\t", " ", "[", "", "]", "").Replace(s)
}

// problemCode returns the code and status that a literal of a Problem has.
func problemCode(lit *ast.CompositeLit) (code, status string) {
	name := ""
	switch typ := lit.Type.(type) {
	case *ast.SelectorExpr:
		name = typ.Sel.Name
	case *ast.Ident:
		name = typ.Name
	}
	if name != "Problem" {
		return "", ""
	}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := kv.Key.(*ast.Ident); key.Name {
		case "Code":
			code = stringOf(kv)
		case "Status":
			if sel, ok := kv.Value.(*ast.SelectorExpr); ok {
				status = statusNamed(sel.Sel.Name)
			}
		}
	}
	return code, status
}

// statusNamed returns the number of a constant of net/http, "" if it is another one.
func statusNamed(name string) string {
	for status := 100; status < 600; status++ {
		if text := http.StatusText(status); text != "" && "Status"+strings.ReplaceAll(text, " ", "") == name {
			return strconv.Itoa(status)
		}
	}
	return ""
}

// TestTheQuickStartIsThePackagesExamples: what `go test` runs and compares.
func TestTheQuickStartIsThePackagesExamples(t *testing.T) {
	var b strings.Builder
	for _, pkg := range []string{
		"headers", "cors", "throttle", "throttle/ipfilter", "auth", "auth/session", "auth/password", "apikey", "sanitize", "sanitize/markup",
		"crypto/fernet", "crypto/column", "crypto/tlsconf", "server", "feed", "monitor", "incident", "attack", "gateway",
	} {
		text := example(t, filepath.Join(root(t), pkg))
		before, after, _ := strings.Cut(text, "import (")
		_, after, _ = strings.Cut(after, "\n)\n")
		if n := strings.Count(before+after, "\n"); n == 0 || n > quickLines {
			t.Errorf("the first example of %s has %d lines; 1 to %d are good", pkg, n, quickLines)
		}
		fmt.Fprintf(&b, "## %[1]s\n\n%[2]s ([more](../%[1]s))\n\n%[3]s", pkg, synopsis(t, filepath.Join(root(t), pkg, "doc.go")), text)
	}
	between(t, "quick-start.md", quickStartBegin, b.String())
}

func synopsis(t *testing.T, file string) string {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	return cell(new(doc.Package).Synopsis(syntax.Doc.Text()))
}

// example returns the first example of the package in dir, as a block of Markdown.
func example(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "example_test.go")
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, file, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := doc.Examples(syntax)
	slices.SortFunc(all, func(a, b *doc.Example) int { return a.Order - b.Order })
	if len(all) == 0 || all[0].Play == nil {
		return ""
	}
	var b bytes.Buffer
	if err := format.Node(&b, fset, all[0].Play); err != nil {
		t.Fatal(err)
	}
	out := ""
	if all[0].Output != "" {
		out = "It prints\n\n```text\n" + all[0].Output + "```\n\n"
	}
	return "```go\n" + b.String() + "```\n\n" + out
}
