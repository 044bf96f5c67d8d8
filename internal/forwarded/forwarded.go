// Package forwarded reads what proxies append to the headers of a request.
package forwarded

import (
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// Nth returns the value that n proxies ago was appended to a list: the nearest
// one appended the rightmost, and what is left of the farthest is the client's.
// Where there are fewer, proxies replace what others wrote: the rightmost counts.
func Nth(lines []string, n int, list func(line string) []string) string {
	rightmost, seen := "", 0
	for _, line := range slices.Backward(lines) {
		for _, value := range slices.Backward(list(line)) {
			if seen++; seen == 1 {
				rightmost = value
			}
			if seen >= n {
				return value
			}
		}
	}
	return rightmost
}

// CommaList returns the values of a line.
func CommaList(line string) []string {
	list := strings.Split(line, ",")
	for i, value := range list {
		list[i] = strings.Trim(value, " \t")
	}
	return list
}

// Parameters returns the parameter of that name of each element of a Forwarded
// line (RFC 7239 section 4); "" where an element has none, or has it twice. A line
// whose quotes do not pair has no elements that could be told apart.
func Parameters(line, name string) (list []string) {
	value, seen, start, quoted := "", false, 0, false
	pair := func(s string) {
		key, v, _ := strings.Cut(strings.Trim(s, " \t"), "=")
		if !text.EqualFold(key, name) {
			return
		}
		value = strings.Trim(v, `"`)
		if seen {
			value = ""
		}
		seen = true
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == ';' || c == ',':
			pair(line[start:i])
			start = i + 1
			if c == ',' {
				list = append(list, value)
				value, seen = "", false
			}
		}
	}
	if quoted {
		return []string{""}
	}
	pair(line[start:])
	return append(list, value)
}
