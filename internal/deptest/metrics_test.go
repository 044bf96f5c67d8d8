package deptest_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// metric is one that the code tells, by its literals.
type metric struct{ kind, layer, help string }

var metricName = regexp.MustCompile(`^(rampart|kong|db_client)_[a-z_]+$`) // read-only

// metrics returns the metrics of every module that users get, by their names: wherever
// a call or a literal has a name and then a sentence.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	found := map[string]metric{}
	parsed(t, true, func(pkg, _ string, _ *token.FileSet, syntax *ast.File) {
		layer, _, _ := strings.Cut(pkg, "/internal/")
		if pkg == "internal/redisx" {
			layer = "auth/authredis, incident/incidentredis"
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			var parts []ast.Expr
			maker := ""
			switch n := n.(type) {
			case *ast.CompositeLit:
				parts = n.Elts
				if sel, ok := n.Type.(*ast.SelectorExpr); ok {
					maker = sel.Sel.Name
				}
			case *ast.CallExpr:
				parts, maker = n.Args, callee(n)
			}
			for i := range len(parts) - min(1, len(parts)) {
				name, help := stringOf(parts[i]), stringOf(parts[i+1])
				if !metricName.MatchString(name) || !strings.Contains(help, " ") {
					continue
				}
				kind := "gauge"
				switch {
				case maker == "HistogramOpts", maker == "latency":
					kind = "histogram"
				case maker == "counter", strings.HasSuffix(name, "_total"):
					kind = "counter"
				}
				found[name] = metric{kind, layer, help}
			}
			return true
		})
	})
	return found
}

// stringOf returns the text of a string literal, or of the value of a field.
func stringOf(e ast.Expr) string {
	if kv, ok := e.(*ast.KeyValueExpr); ok {
		e = kv.Value
	}
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return ""
}

const metricsBegin = "<!-- generated: RAMPART_UPDATE=1 go test ./internal/deptest -run Metrics -->\n"

// What the code does not say in one place, the labels, is kept from the row that was
// there.
func TestTheTableOfMetricsIsWhatTheCodeTells(t *testing.T) {
	found := metrics(t)
	if len(found) < 20 {
		t.Errorf("only %d metrics are found", len(found))
	}
	generated(t, filepath.Join("docs", "metrics.md"), func(old string) string {
		before, rest, ok1 := strings.Cut(old, metricsBegin)
		table, after, ok2 := strings.Cut(rest, eventsEnd)
		if !ok1 || !ok2 {
			t.Fatal("docs/metrics.md has lost the marks around its table")
		}
		labels := map[string]string{}
		for line := range strings.Lines(table) {
			if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 5 {
				labels[strings.Trim(cells[0], "| `")] = cells[3]
			}
		}
		var b strings.Builder
		b.WriteString("| Metric | Kind | Package | Labels | What |\n|---|---|---|---|---|\n")
		for name, m := range sorted(found) {
			if labels[name] == "" || labels[name] == "?" {
				labels[name] = "?"
				t.Errorf("docs/metrics.md does not say which labels %s has", name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", name, m.kind, strings.ReplaceAll(m.layer, ", ", "`, `"), labels[name], m.help)
		}
		return before + metricsBegin + b.String() + eventsEnd + after
	})
}
