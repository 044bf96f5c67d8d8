package router

import "strings"

// tree is a radix tree of paths: each node holds the entries whose path ends
// there, in the order of their ranks.
type tree struct {
	label    string
	entries  []*entry
	children []*tree // no two begin with the same byte
	first    string  // those bytes, in the same order
}

// add is called in the order of ranks.
func (t *tree) add(path string, e *entry) {
	for path != "" {
		i := strings.IndexByte(t.first, path[0])
		if i < 0 {
			t.children = append(t.children, &tree{label: path, entries: []*entry{e}})
			t.first += path[:1]
			return
		}
		c := t.children[i]
		n := common(c.label, path)
		if n < len(c.label) { // split it
			c = &tree{label: c.label[:n], children: []*tree{c}, first: c.label[n : n+1]}
			c.children[0].label = c.children[0].label[n:]
			t.children[i] = c
		}
		t, path = c, path[n:]
	}
	t.entries = append(t.entries, e)
}

func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// child returns the child whose whole label path begins with.
func (t *tree) child(path string) *tree {
	if path == "" {
		return nil
	}
	i := strings.IndexByte(t.first, path[0])
	if i < 0 || !strings.HasPrefix(path, t.children[i].label) {
		return nil
	}
	return t.children[i]
}
