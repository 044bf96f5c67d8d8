package request

import (
	"net/http"
	"slices"

	"github.com/ecolaura/rampart/internal/token"
)

// VaryBy has the response through w name, as a list, the headers that it depends
// on. The Place is that of [Join].
func VaryBy(w http.ResponseWriter, r *http.Request, names string) Place {
	v, place := Join[varying](w, r, Vary)
	v.names = names
	return place
}

type varying struct {
	Base
	names string
	slot  [1]string
}

// Final implements [Layer].
func (v *varying) Final(_ *Writer, h http.Header, _ int, _ Look) { AddVary(h, v.names, &v.slot) }

// AddVary adds names to the Vary of h, beside what is there and once. The value
// stands in slot if it is the only one.
func AddVary(h http.Header, names string, slot *[1]string) {
	lines := h["Vary"]
	switch {
	case len(lines) == 0:
		slot[0] = names
		h["Vary"] = slot[:]
	case !slices.Contains(lines, names) && !token.Listed(lines, names) && !token.Listed(lines, "*"):
		h["Vary"] = append(slices.Clip(lines), names)
	}
}
