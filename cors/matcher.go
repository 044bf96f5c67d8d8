package cors

import "strings"

// A matcher reports whether an origin is in the policy. It looks up the whole
// origin, then the origin without its port, then the host's endings from the
// last label on; the number of entries hardly counts, and a host of a hundred
// labels costs no more look-ups than the longest pattern has.
//
// The zero matcher matches nothing.
type matcher struct {
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

func (m *matcher) add(p pattern) {
	switch {
	case p.subdomains:
		p.addEnding(m)
	case p.anyPort:
		add(&m.anyPort, p.base.text)
	default:
		add(&m.exact, p.base.text)
	}
}

func (p pattern) addEnding(m *matcher) {
	scheme := p.base.scheme()
	if m.below == nil {
		m.below = make(map[string]*endings)
	}
	e := m.below[scheme]
	if e == nil {
		e = new(endings)
		m.below[scheme] = e
	}
	if p.anyPort {
		add(&e.anyPort, "."+p.base.host())
	} else {
		add(&e.fixed, "."+p.base.host()+p.base.port())
	}
	e.labels = max(e.labels, 1+strings.Count(p.base.host(), "."))
}

func add(set *map[string]struct{}, s string) {
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[s] = struct{}{}
}

// listed is the fast way: what is written in the policy needs no parse.
func (m *matcher) listed(text string) bool {
	_, ok := m.exact[text]
	return ok
}

// matches reports whether a pattern covers o.
func (m *matcher) matches(o origin) bool {
	if m.anyPort == nil && m.below == nil {
		return false
	}
	if _, ok := m.anyPort[o.text[:o.hostEnd]]; ok {
		return true
	}
	e := m.below[o.scheme()]
	return e != nil && !o.address && e.match(o)
}

func (e *endings) match(o origin) bool {
	dot := o.hostEnd
	for range e.labels {
		// A dot at the very start cannot be: parseOrigin refuses empty labels.
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
