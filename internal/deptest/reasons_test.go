package deptest_test

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// The reason of a mistake in a configuration is typed and declared once: what two
// packages need is in internal/, and has aliases in the packages that show it. The
// refusals have another type, rampart.Denial.
func TestEachReasonIsDeclaredOnce(t *testing.T) {
	names, words := map[string]string{}, map[string]string{}
	parsed(t, true, func(pkg, _ string, _ *token.FileSet, syntax *ast.File) {
		for _, decl := range syntax.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				value, ok := spec.(*ast.ValueSpec)
				if !ok || len(value.Values) != 1 || !strings.HasPrefix(value.Names[0].Name, "Reason") {
					continue
				}
				name := value.Names[0].Name
				if alias, ok := value.Values[0].(*ast.SelectorExpr); ok && alias.Sel.Name == name {
					continue
				}
				if !isReason(value.Type) {
					t.Errorf("%s.%s is no rampart.Reason", pkg, name)
				}
				word, ok := value.Values[0].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s.%s is no word", pkg, name)
					continue
				}
				text, _ := strconv.Unquote(word.Value)
				for key, seen := range map[string]map[string]string{name: names, text: words} {
					if other, twice := seen[key]; twice {
						t.Errorf("%s declares %s, and so does %s", pkg, key, other)
					}
					seen[key] = pkg
				}
			}
		}
	})
	if len(words) < 20 {
		t.Errorf("only %d reasons are found", len(words))
	}
}

// isReason reports whether the type of a constant is Reason or rampart.Reason.
func isReason(typ ast.Expr) bool {
	switch typ := typ.(type) {
	case *ast.Ident:
		return typ.Name == "Reason"
	case *ast.SelectorExpr:
		return typ.Sel.Name == "Reason"
	default:
		return false
	}
}
