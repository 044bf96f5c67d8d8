package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing wrong with a document.
type Mistake struct {
	Line   int    // in the document; 0 if it was none of a document's lines
	Path   string // such as services[0].routes[1].paths[0]
	Reason string // a phrase; it never holds a secret
	Taken  bool   // a name or id that another entity has
	Note   bool   // nothing is wrong, but somebody might expect something else

	// Missing: it names an entity that is not there.
	Missing bool
}

// String returns the mistake without its line.
func (m Mistake) String() string {
	text := m.Reason
	if m.Path != "" {
		text = m.Path + ": " + text
	}
	if m.Note {
		text = "note: " + text
	}
	return text
}

// Mistakes are all things wrong with a document, in the order of its lines.
type Mistakes []Mistake //nolint:errname // they are many

// Error implements error, one mistake on a line.
func (ms Mistakes) Error() string { return ms.In("") }

// In is Error with the name of the file in front of each line number.
func (ms Mistakes) In(file string) string {
	var b strings.Builder
	for i, m := range ms {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case file != "" && m.Line > 0:
			fmt.Fprintf(&b, "%s:%d: ", file, m.Line)
		case m.Line > 0:
			fmt.Fprintf(&b, "line %d: ", m.Line)
		case file != "":
			fmt.Fprintf(&b, "%s: ", file)
		}
		b.WriteString(m.String())
	}
	return b.String()
}

// Err returns ms as an error, in the order of the document's lines, nothing twice
// and without the notes; nil if nothing is wrong.
func (ms Mistakes) Err() error {
	if wrong := ms.sorted(false); len(wrong) > 0 {
		return wrong
	}
	return nil
}

// sorted returns the notes, or all the others, in the order of their lines and
// nothing twice.
func (ms Mistakes) sorted(notes bool) Mistakes {
	var out Mistakes
	seen := map[Mistake]bool{}
	for _, m := range ms {
		if m.Note == notes && !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return out
}

// Also returns ms and what another look at the document has found: without what
// it says of a place where, or inside which, something is known to be wrong. That
// would be the same in other words.
func (ms Mistakes) Also(found Mistakes) Mistakes {
	all := slices.Clone(ms)
	for _, m := range found {
		if !slices.ContainsFunc(ms, m.around) {
			all = append(all, m)
		}
	}
	return all
}

// around reports whether inner is about the same place as m or one inside of it.
func (m Mistake) around(inner Mistake) bool {
	rest, ok := strings.CutPrefix(inner.Path, m.Path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// meta says where an entity stands in its document.
type meta struct {
	path  string
	line  int
	lines map[string]int // of its fields, such as paths[0] or config.second
}

func (m *meta) at() *meta { return m }

// mistake makes a Mistake about a field of the entity.
func (m *meta) mistake(field, format string, args ...any) Mistake {
	path, line := m.path, m.line
	for f := field; f != ""; { // the nearest part that has a line
		if l, ok := m.lines[f]; ok {
			line = l
			break
		}
		i := strings.LastIndexAny(f, ".[")
		if i < 0 {
			break
		}
		f = f[:i]
	}
	if field != "" && path != "" {
		path += "."
	}
	return Mistake{Line: line, Path: path + field, Reason: fmt.Sprintf(format, args...)}
}

// Mistake makes a Mistake about a field of the entity that only its use shows.
func (m *meta) Mistake(field, reason string) Mistake { return m.mistake(field, "%s", reason) }
