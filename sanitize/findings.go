package sanitize

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A place makes the error address of what is at a JSON Pointer.
type place func(pointer string) rampart.FieldError

// findings collects what is wrong with one request or value.
type findings struct {
	most      int  // errors that the response lists at most
	misshapen bool // an error is about the type of a value
	found     []finding
	req       *http.Request // whose context the rules get
	place     place
	base      func() string   // where the path begins
	path      []segment       // from base to the value that is being checked
	parent    reflect.Value   // the struct that holds the value, for the rules that look at other fields
	absent    bool            // the value is not in the input
	clean     bool            // run the cleaners before the rules
	unruled   bool            // skip the rules
	shallow   bool            // skip nested structs, which have been checked already
	once      bool            // at most one finding for each place
	depth     int             // how much deeper it may go
	sent      map[string]bool // for a form: the places that a parameter has filled
	lib       *library
	localised bool // keep the library's error of a broken rule, for a catalogue
}

// A finding is a field error.
type finding struct {
	rampart.FieldError
	pointer string
	rule    validator.FieldError // the library's error, if a catalogue needs it
}

// A segment is a step of a path: a name or an index.
type segment struct {
	name  string
	index int    // of an element, plus one; 0 for a name
	at    string // the pointer up to here, once it was asked for
}

func (f *findings) under(name string)    { f.path = append(f.path, segment{name: name}) }
func (f *findings) underIndex(index int) { f.path = append(f.path, segment{index: index + 1}) }
func (f *findings) up()                  { f.path = f.path[:len(f.path)-1] }
func (f *findings) full() bool           { return len(f.found) >= f.most }

// pointer returns the place of what is being checked. A form asks at each field, so
// that the pointers of the structs around it are kept.
func (f *findings) pointer() string {
	known := len(f.path)
	for known > 0 && f.path[known-1].at == "" {
		known--
	}
	p := ""
	switch {
	case known > 0:
		p = f.path[known-1].at
	case f.base != nil:
		p = f.base()
	}
	for i := known; i < len(f.path); i++ {
		s := &f.path[i]
		if s.index > 0 {
			s.name = strconv.Itoa(s.index - 1)
		}
		p = strictjson.Under(p, s.name)
		s.at = p
	}
	return p
}

// note records an error at the place that is being checked, unless f is full.
func (f *findings) note(inv *Invalid) {
	if inv == nil || f.full() {
		return
	}
	at := f.pointer()
	if f.once && f.faulty(at) {
		return
	}
	f.found = append(f.found, finding{inv.at(f.place(at)), at, inv.rule})
}

// faulty reports whether there is a finding at a place.
func (f *findings) faulty(at string) bool {
	return slices.ContainsFunc(f.found, func(e finding) bool { return e.pointer == at })
}

// rank puts the errors in the order of the top-level names in order; those of other
// names come last.
func (f *findings) rank(order []string) {
	ranks := make(map[string]int, len(order))
	for i, name := range order {
		if _, known := ranks[name]; !known {
			ranks[name] = i - len(order)
		}
	}
	top := func(e finding) int {
		first, _, _ := strings.Cut(strings.TrimPrefix(e.pointer, "/"), "/")
		return ranks[first]
	}
	slices.SortStableFunc(f.found, func(a, b finding) int { return cmp.Compare(top(a), top(b)) })
}

// problem returns the response; nil if nothing is wrong.
func (f *findings) problem(say Catalogue) *rampart.Problem {
	faults := strictjson.Faults{Most: f.most, Misshapen: f.misshapen}
	for _, e := range f.found {
		if say != nil {
			e.Detail = cmp.Or(say(e.FieldError, e.rule), e.Detail)
		}
		faults.Add(e.FieldError) // the list has been bounded
	}
	return faults.Problem()
}

func inBody(pointer string) rampart.FieldError {
	return rampart.FieldError{Pointer: strictjson.Fragment(pointer)}
}

// inQuery names the parameter in the form with dots.
func inQuery(pointer string) rampart.FieldError {
	if len(pointer) > strictjson.MaxPointer {
		return rampart.FieldError{}
	}
	name := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	return rampart.FieldError{Parameter: strings.NewReplacer("~1", "/", "~0", "~").Replace(name)}
}
