package plugin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusedOnly are fields that can have one value only, which their Check sees to, and
// a table without fields.
var refusedOnly = []string{
	"CORS.PreflightContinue", "RequestTermination.Echo", "FileLog.CustomFieldsByLua", "HTTPLog.CustomFieldsByLua",
	"ProxyCache.Strategy", "ProxyCache.Memory", "OpenIDConnect.AuthMethods", "OpenIDConnect.BearerTokenParamType",
}

// TestEveryFieldOfAPluginIsHeeded finds fields that a document can set and that no
// code but a Check reads: who sets one would believe that it does something.
func TestEveryFieldOfAPluginIsHeeded(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	fields, read := map[string]string{}, map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "Check" {
				continue
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					read[n.Sel.Name] = true
				case *ast.TypeSpec:
					s, ok := n.Type.(*ast.StructType)
					for i := 0; ok && i < len(s.Fields.List); i++ {
						if f := s.Fields.List[i]; f.Tag != nil && len(f.Names) > 0 && strings.Contains(f.Tag.Value, `k:"`) {
							fields[n.Name.Name+"."+f.Names[0].Name] = f.Names[0].Name
						}
					}
				}
				return true
			})
		}
	}
	require.Greater(t, len(fields), 50)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		assert.NotEqual(t, slices.Contains(refusedOnly, name), read[fields[name]], name)
	}
}
