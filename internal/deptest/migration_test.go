package deptest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	settingsHeading = regexp.MustCompile("^## .*→ (`.*)$") // names the packages of its tables
	packagePath     = regexp.MustCompile("`([a-z/]+)`")
	tableCell       = regexp.MustCompile(`^\| (.*?) \| (.*?) \|`)
	codeSpan        = regexp.MustCompile("`([^`]+)`")
	goName          = regexp.MustCompile(`^(?:([a-z]+)\.)?([A-Z]\w*)(?:\.([A-Z]\w*))?(?:\.[A-Z]\w*)?(?:[({\[].*)?$`)
	notHere         = regexp.MustCompile("^(none(:.*)?$|refused|always|on by default|layers|tags? `|an? `|struct tags|`auth/|problem\\+json|loopback exception|the events|inside headers|401 |SHA-256|the checksum)")
)

// notGo are words in code that begin as a Go name does.
var notGo = []string{"Authorization", "Bearer", "False", "Lax"}

// TestEveryNameOfTheSettingsTablesExists reads the tables of the guide for those who
// come from Django: what the column "Here" names is a Go name that exists and that a
// test uses, or the cell says in words that nothing corresponds, or what always holds.
func TestEveryNameOfTheSettingsTablesExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "migrating-from-django.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared, tested := declarations(t)
	var defaults []string
	rows, names := 0, 0
	head := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			defaults = nil
			if m := settingsHeading.FindStringSubmatch(line); m != nil {
				for _, p := range packagePath.FindAllStringSubmatch(m[1], -1) {
					defaults = append(defaults, filepath.Base(p[1]))
				}
			}
		}
		m := tableCell.FindStringSubmatch(line)
		if m == nil {
			head = true // the next row of a table names its columns
			continue
		}
		if head || defaults == nil {
			head = false
			continue
		}
		rows++
		found := 0
		for _, span := range codeSpan.FindAllStringSubmatch(m[2], -1) {
			n := goName.FindStringSubmatch(span[1])
			if n == nil || n[1] == "" && slices.Contains(notGo, n[2]) || n[1] == "" && n[3] == "" && n[2] == strings.ToUpper(n[2]) {
				continue
			}
			found++
			packages := defaults
			if n[1] != "" {
				packages = []string{n[1]}
			}
			last := n[2]
			if n[3] != "" {
				last = n[3]
			}
			if n[1] == "http" || n[1] == "time" { // the standard library's
				continue
			}
			if !slices.ContainsFunc(packages, func(p string) bool { return declared[p].has(n[2], n[3]) }) {
				t.Errorf("%s is not in %s:\n%s", span[1], strings.Join(packages, ", "), line)
			} else if !tested[last] {
				t.Errorf("no test uses %s:\n%s", span[1], line)
			}
		}
		names += found
		if found == 0 && !notHere.MatchString(m[2]) {
			t.Errorf("neither a name nor a no:\n%s", line)
		}
	}
	if rows < 150 || names < 150 {
		t.Errorf("only %d rows and %d names", rows, names)
	}
}

// exported are the names of a package: its own, and those of its types' members.
type exported map[string]map[string]bool

// has reports whether there is a name with that member; "" is no member. Without one, a
// member of any type counts as well: tables about one Config name its fields so.
func (e exported) has(name, member string) bool {
	if member != "" {
		return e[name][member]
	}
	if e[name] != nil {
		return true
	}
	for _, members := range e {
		if members[name] {
			return true
		}
	}
	return false
}

// declarations returns what each public package declares, by the last element of its
// path, and every word of the tests.
func declarations(t *testing.T) (map[string]exported, map[string]bool) {
	t.Helper()
	declared, tested := map[string]exported{}, map[string]bool{}
	set := token.NewFileSet()
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "_test.go") {
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					tested[id.Name] = true
				}
				return true
			})
			return nil
		}
		e := declared[file.Name.Name]
		if e == nil {
			e = exported{}
			declared[file.Name.Name] = e
		}
		e.add(file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared, tested
}

// add takes in what a file declares.
func (e exported) add(file *ast.File) {
	member := func(of, name string) {
		if e[of] == nil {
			e[of] = map[string]bool{}
		}
		if name != "" {
			e[of][name] = true
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				member(decl.Name.Name, "")
				continue
			}
			of := decl.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if index, ok := of.(*ast.IndexExpr); ok {
				of = index.X
			}
			if id, ok := of.(*ast.Ident); ok {
				member(id.Name, decl.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						member(id.Name, "")
					}
				case *ast.TypeSpec:
					member(spec.Name.Name, "")
					for _, name := range membersOf(spec.Type) {
						member(spec.Name.Name, name)
					}
				}
			}
		}
	}
}

// membersOf returns the fields of a struct, or the methods of an interface.
func membersOf(of ast.Expr) (names []string) {
	var list *ast.FieldList
	switch of := of.(type) {
	case *ast.StructType:
		list = of.Fields
	case *ast.InterfaceType:
		list = of.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, id := range field.Names {
			names = append(names, id.Name)
		}
	}
	return names
}
