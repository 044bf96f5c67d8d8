// Package router finds the route of a request by the rules that Kong documents
// for its traditional routes: the route with the most kinds of rules wins, then
// plain hosts before wildcards, more headers, regular expressions before
// prefixes and by regex_priority, the longer prefix, the older route.
package router

import (
	"cmp"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// A Match is a route and the part of the path that it matched.
type Match struct {
	Route  int // index into the list that New got
	Prefix int // length of the matched part; 0 if the route has no paths

	Regex *regexp.Regexp // that matched it; nil: a prefix did
}

// A Router finds routes. It is immutable and safe for concurrent use.
type Router struct {
	exact    map[string]*tree // by host
	suffix   map[string]*tree // *.example.com by .example.com
	prefix   map[string]*tree // example.* by example.
	anyHost  *tree
	wildcard bool
}

// entry is one path of one route.
type entry struct {
	rank  int // lower wins
	route int

	rules, headerCount int
	plainHosts         bool
	regexPriority      int
	created            int64
	id                 string

	path    string
	regex   *regexp.Regexp
	methods []string
	headers []header
	snis    []string
	hosts   []string
}

type header struct {
	name   string // canonical
	values []string
	regex  []*regexp.Regexp
}

// New returns a Router for routes that conf has checked.
func New(routes []*conf.Route) (*Router, error) {
	rt := &Router{exact: map[string]*tree{}, suffix: map[string]*tree{}, prefix: map[string]*tree{}, anyHost: &tree{}}
	var all []*entry
	for i, r := range routes {
		e, err := entries(i, r)
		if err != nil {
			return nil, err
		}
		all = append(all, e...)
	}
	slices.SortStableFunc(all, compare)
	for i, e := range all {
		e.rank = i
		rt.add(e)
	}
	return rt, nil
}

// compare puts the entry first that wins.
func compare(a, b *entry) int {
	return cmp.Or(
		cmp.Compare(b.rules, a.rules),
		truth(b.plainHosts, a.plainHosts),
		cmp.Compare(b.headerCount, a.headerCount),
		truth(b.regex != nil, a.regex != nil),
		cmp.Compare(b.regexPriority, a.regexPriority),
		cmp.Compare(b.prefixLen(), a.prefixLen()),
		cmp.Compare(a.created, b.created),
		cmp.Compare(a.id, b.id),
	)
}

func truth(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// prefixLen is the length that counts: that of a regular expression does not.
func (e *entry) prefixLen() int {
	if e.regex != nil {
		return 0
	}
	return len(e.path)
}

func entries(i int, r *conf.Route) ([]*entry, error) {
	base := entry{route: i, created: r.CreatedAt, id: r.ID, methods: r.Methods, hosts: r.Hosts, snis: r.SNIs, headerCount: len(r.Headers)}
	for _, n := range []int{len(r.Methods), len(r.Hosts), len(r.Headers), len(r.SNIs), len(r.Paths)} {
		if n > 0 {
			base.rules++
		}
	}
	base.plainHosts = len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(h string) bool { return strings.Contains(h, "*") })
	for name, values := range r.Headers {
		h := header{name: http.CanonicalHeaderKey(name)}
		for _, v := range values {
			if rx, ok := strings.CutPrefix(v, "~*"); ok {
				compiled, err := regexp.Compile("(?i)" + rx)
				if err != nil {
					return nil, err
				}
				h.regex = append(h.regex, compiled)
			} else {
				h.values = append(h.values, v)
			}
		}
		base.headers = append(base.headers, h)
	}
	if len(r.Paths) == 0 {
		return []*entry{&base}, nil
	}
	var all []*entry
	for _, p := range r.Paths {
		e := base
		if strings.HasPrefix(p, "~") {
			rx, err := conf.Regexp(p)
			if err != nil {
				return nil, err
			}
			e.regex, e.regexPriority = rx, r.RegexPriority
			e.path, _ = rx.LiteralPrefix() // only paths that begin so are tried
		} else {
			e.path = Normalize(p)
		}
		all = append(all, &e)
	}
	return all, nil
}

// add puts e where requests will look for it.
func (rt *Router) add(e *entry) {
	if len(e.hosts) == 0 {
		rt.anyHost.add(e.path, e)
		return
	}
	for _, h := range e.hosts {
		by := rt.exact
		if rest, ok := strings.CutPrefix(h, "*"); ok {
			by, h = rt.suffix, rest
		} else if before, _, ok := strings.Cut(h, "*"); ok {
			by, h = rt.prefix, before // a port behind the * is left out: names decide
		}
		if by[h] == nil {
			by[h] = &tree{}
		}
		by[h].add(e.path, e)
	}
	rt.wildcard = len(rt.suffix)+len(rt.prefix) > 0
}

// A Request is what routes go by.
type Request struct {
	Method string
	Host   string // as sent
	Port   int    // that the request came in on
	Path   string // normalized
	Header http.Header
	TLS    bool
	SNI    string
}

// Find returns the best match; false if there is none.
func (rt *Router) Find(r *Request) (Match, bool) {
	s := search{r: r}
	host, port := splitHost(r.Host)
	if len(rt.exact) > 0 {
		s.in(rt.exact[host])
		if port != "" {
			s.in(rt.exact[host+":"+port])
		} else if r.Port > 0 {
			s.in(rt.exact[host+":"+strconv.Itoa(r.Port)])
		}
	}
	if rt.wildcard {
		for i := range len(host) {
			if host[i] == '.' {
				s.in(rt.suffix[host[i:]])
				s.in(rt.prefix[host[:i+1]])
			}
		}
	}
	s.in(rt.anyHost)
	if s.best == nil {
		return Match{}, false
	}
	return Match{Route: s.best.route, Prefix: s.length, Regex: s.best.regex}, true
}

// splitHost returns a Host in lower case and its port.
func splitHost(s string) (host, port string) {
	if strings.IndexByte(s, ':') < 0 {
		return lower(s), ""
	}
	h, p, err := net.SplitHostPort(s)
	if err != nil {
		return lower(s), ""
	}
	return lower(h), p
}

func lower(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// search keeps the best entry so far.
type search struct {
	r      *Request
	best   *entry
	length int
}

// in looks at every entry along the path.
func (s *search) in(t *tree) {
	if t == nil {
		return
	}
	rest := s.r.Path
	for {
		for _, e := range t.entries { // the best first
			if s.best != nil && e.rank > s.best.rank {
				break
			}
			if n, ok := e.matches(s.r); ok {
				s.best, s.length = e, n
				break
			}
		}
		next := t.child(rest)
		if next == nil {
			return
		}
		rest = rest[len(next.label):]
		t = next
	}
}

// matches checks all but a prefix, which the tree has, and the host.
func (e *entry) matches(r *Request) (int, bool) {
	if len(e.methods) > 0 && !slices.Contains(e.methods, r.Method) {
		return 0, false
	}
	if len(e.snis) > 0 && r.TLS && !slices.Contains(e.snis, r.SNI) {
		return 0, false
	}
	for i := range e.headers {
		if !e.headers[i].in(r.Header) {
			return 0, false
		}
	}
	if e.regex != nil {
		at := e.regex.FindStringIndex(r.Path)
		if at == nil {
			return 0, false
		}
		return at[1], true
	}
	return len(e.path), true
}

// in reports whether one of a header's values is one of those wanted, whatever
// their case, as in Kong.
func (h *header) in(all http.Header) bool {
	for _, v := range all[h.name] {
		for _, want := range h.values {
			if strings.EqualFold(v, want) {
				return true
			}
		}
		for _, rx := range h.regex {
			if rx.MatchString(v) {
				return true
			}
		}
	}
	return false
}
