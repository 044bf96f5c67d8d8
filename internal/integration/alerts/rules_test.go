// Package alerts_test has the alert rules read by Prometheus' own parser.
package alerts_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", name))
	require.NoError(t, err)
	return text
}

// told are the names of the series that a scrape finds, by docs/metrics.md, which is
// generated from the code; and those of client_golang's collector of pools.
func told(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"go_sql_wait_duration_seconds_total": true}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(read(t, "docs/metrics.md")), -1) {
		names[row[1]] = true
		if row[2] == "histogram" {
			names[row[1]+"_bucket"], names[row[1]+"_sum"], names[row[1]+"_count"] = true, true, true
		}
	}
	require.Greater(t, len(names), 20)
	return names
}

func TestPrometheusReadsTheAlertRulesAndFindsTheirSeries(t *testing.T) {
	promql := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.Parse(read(t, "monitor/prom/alerts.yml"), false, model.LegacyValidation, promql, nil)
	require.Empty(t, errs)
	names, seen := told(t), map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			assert.NotEmpty(t, rule.Alert, "only alerts")
			assert.False(t, seen[rule.Alert], "%s is there twice", rule.Alert)
			seen[rule.Alert] = true
			assert.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], rule.Alert)
			assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			expr, err := promql.ParseExpr(rule.Expr)
			require.NoError(t, err)
			used := 0
			parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
				if v, ok := node.(*parser.VectorSelector); ok {
					used++
					assert.True(t, names[v.Name], "%s asks for %s, which nothing tells", rule.Alert, v.Name)
				}
				return nil
			})
			assert.Positive(t, used, rule.Alert)
		}
	}
	assert.GreaterOrEqual(t, len(seen), 10, "%v", slices.Sorted(maps.Keys(seen)))
}
