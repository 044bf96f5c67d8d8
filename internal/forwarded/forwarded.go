// Package forwarded reads what proxies append to the headers of a request.
package forwarded

import (
	"iter"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// Most is how many elements of a line are looked at, from the right: more hops
// than any request passes. What is left of them is the client's.
const Most = 64

// Nth returns the value that was appended n proxies ago to comma-separated lists:
// the nearest proxy appended the rightmost. Where there are fewer, proxies replace
// what others wrote: the rightmost counts.
func Nth(lines []string, n int) string { return nth(lines, n, List) }

// NthParameter is [Nth] of a parameter in Forwarded lines (RFC 7239 section 4); ""
// where the element has none, or has it twice, or cannot be told apart.
func NthParameter(lines []string, n int, name string) string {
	return parameter(nth(lines, n, Elements), name)
}

func nth(lines []string, n int, list func(string) iter.Seq[string]) (found string) {
	seen := 0
	for _, line := range slices.Backward(lines) {
		for value := range list(line) {
			if seen++; seen == 1 || seen == n {
				found = value
			}
			if seen >= n {
				return found
			}
		}
	}
	return found
}

// List yields the values of a comma-separated line from the right, trimmed. One with
// more than [Most] ends in a value that no proxy writes.
func List(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range Most {
			i := strings.LastIndexByte(line, ',')
			if !yield(strings.Trim(line[i+1:], " \t")) || i < 0 {
				return
			}
			line = line[:i]
		}
		yield(none)
	}
}

// Elements yields the elements of a Forwarded line from the right, trimmed. Where
// its quotes do not pair, its elements cannot be told apart, and after the most that
// are looked at nothing can be said: it then yields what is no element. It takes
// time in proportion to the line.
func Elements(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		total := 0
		if !split(line, func(string) { total++ }) {
			yield(none)
			return
		}
		var last []string
		skip := total - Most
		split(line, func(element string) {
			if skip--; skip < 0 {
				last = append(last, strings.Trim(element, " \t"))
			}
		})
		for _, element := range slices.Backward(last) {
			if !yield(element) {
				return
			}
		}
		if total > Most {
			yield(none)
		}
	}
}

// none is no element: a parameter has a name and a value.
const none = "?"

// split calls f with each element: a comma in a quoted string does not separate.
func split(line string, f func(element string)) bool {
	start, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			f(line[start:i])
			start = i + 1
		}
	}
	f(line[start:])
	return !quoted
}

// parameter returns the value of a parameter of an element.
func parameter(element, name string) (value string) {
	seen, start, quoted := false, 0, false
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
	for i := 0; i < len(element); i++ {
		switch c := element[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			pair(element[start:i])
			start = i + 1
		}
	}
	pair(element[start:])
	return value
}
