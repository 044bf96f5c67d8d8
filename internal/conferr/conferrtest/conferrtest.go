// Package conferrtest helps tests for which the sentences of the mistakes are not
// the point.
package conferrtest

import (
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/conferr"
)

// Text returns each mistake in err on a line: Field: reason, or Field: reason:
// "value".
func Text(err error) string {
	var lines []string
	for m := range conferr.All(err) {
		line := m.Field + ": " + string(m.Reason)
		if m.Value != "" {
			line += ": " + strconv.Quote(m.Value)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
