package weborigin

import "strings"

// A Matcher reports whether an origin is in the policy. It looks up the whole
// origin, then the origin without its port, then the host's endings from the
// last label on; the number of entries hardly counts, and a host of a hundred
// labels costs no more look-ups than the longest pattern has.
//
// The zero Matcher matches nothing.
type Matcher struct {
	exact   map[string]struct{} // "https://app.example.com:8443"
	anyPort map[string]struct{} // "http://localhost", from http://localhost:*
	below   map[string]*endings // by scheme with "://"
}

// endings are the patterns of one scheme that start with "*.".
type endings struct {
	fixed   map[string]struct{} // ".example.com", ".example.com:8443"
	anyPort map[string]struct{} // ".example.com", from *.example.com:*
	labels  int                 // most labels of any ending
}

// Add adds what p covers. It must not be called while others use m.
func (m *Matcher) Add(p Pattern) {
	switch {
	case p.Subdomains:
		p.addEnding(m)
	case p.AnyPort:
		add(&m.anyPort, p.Base.text)
	default:
		add(&m.exact, p.Base.text)
	}
}

func (p Pattern) addEnding(m *Matcher) {
	scheme := p.Base.Scheme()
	if m.below == nil {
		m.below = make(map[string]*endings)
	}
	e := m.below[scheme]
	if e == nil {
		e = new(endings)
		m.below[scheme] = e
	}
	if p.AnyPort {
		add(&e.anyPort, "."+p.Base.Host())
	} else {
		add(&e.fixed, "."+p.Base.Host()+p.Base.Port())
	}
	e.labels = max(e.labels, 1+strings.Count(p.Base.Host(), "."))
}

func add(set *map[string]struct{}, s string) {
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[s] = struct{}{}
}

// Listed reports whether text is in the policy word for word. It is the fast way: what is written in the policy needs no parse.
func (m *Matcher) Listed(text string) bool {
	_, ok := m.exact[text]
	return ok
}

// Matches reports whether a pattern covers o.
func (m *Matcher) Matches(o Origin) bool {
	if m.anyPort == nil && m.below == nil {
		return false
	}
	if _, ok := m.anyPort[o.text[:o.hostEnd]]; ok {
		return true
	}
	e := m.below[o.Scheme()]
	return e != nil && !o.address && e.match(o)
}

func (e *endings) match(o Origin) bool {
	dot := o.hostEnd
	for range e.labels {
		// A dot at the very start cannot be: Parse refuses empty labels.
		i := strings.LastIndexByte(o.text[o.hostStart:dot], '.')
		if i < 0 {
			return false
		}
		dot = o.hostStart + i
		if _, ok := e.fixed[o.text[dot:]]; ok {
			return true
		}
		if _, ok := e.anyPort[o.text[dot:o.hostEnd]]; ok {
			return true
		}
	}
	return false
}
