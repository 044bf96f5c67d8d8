package deptest_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"html"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDiagramIsTheOrderOfStack draws the fields of rampart.Stack, in their order: a
// blank line between them ends what stands around the mux.
func TestTheDiagramIsTheOrderOfStack(t *testing.T) {
	const width, height, gap, left, top = 800, 34, 8, 170, 46
	var b strings.Builder
	y, last, groups := top, 0, 0
	group := func(name string) {
		groups++
		fmt.Fprintf(&b, "<text x=\"16\" y=\"%d\" class=\"group\">%s</text>\n", y+22, name)
	}
	parsed(t, false, func(pkg, file string, fset *token.FileSet, syntax *ast.File) {
		if pkg != "" || file != "stack.go" {
			return
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Stack" {
				return true
			}
			for _, f := range spec.Type.(*ast.StructType).Fields.List {
				if !f.Names[0].IsExported() {
					continue
				}
				line := fset.Position(f.Pos()).Line
				switch {
				case last == 0:
					group("around the mux")
				case line > last+1:
					y += 14
					group("around a route")
				}
				last = line
				fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>\n", left, y, width-left-16, height)
				fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"name\">%s</text>", left+14, y+22, f.Names[0].Name)
				fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", left+120, y+22, html.EscapeString(strings.TrimSpace(f.Comment.Text())))
				y += height + gap
			}
			return false
		})
	})
	if groups != 2 || strings.Count(b.String(), "<rect") < 10 {
		t.Fatalf("the Stack of stack.go has %d groups:\n%s", groups, b.String())
	}
	y += 14
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-label="The layers of a Stack, outermost first">
<style>
text { font: 14px system-ui, sans-serif; fill: #1c2430 } .name { font-weight: 600 } .group { fill: #5a6675 }
rect { fill: #f4f6f9; stroke: #c3cad4 } .page { fill: #fff; stroke: none }
@media (prefers-color-scheme: dark) { text { fill: #e6eaf0 } .group { fill: #9aa5b4 } rect { fill: #1d2530; stroke: #3c4858 } .page { fill: #0d1117 } }
</style>
<rect class="page" width="%[1]d" height="%[2]d"/>
<text x="%[3]d" y="28" class="group">a request comes in here ↓</text>
`, width, y+34, left)
	foot := fmt.Sprintf("<text x=\"%d\" y=\"%d\" class=\"name\">your handler</text>\n</svg>\n", left+14, y+12)
	generated(t, filepath.Join("docs", "chain.svg"), func(string) string { return head + b.String() + foot })
}
