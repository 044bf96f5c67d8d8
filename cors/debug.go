package cors

import (
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/weborigin"
)

// debugs reports whether the refusal d of r is explained to the browser. A list or a
// second line that no browser sends is not, and neither is a private network: some
// browsers go on where that response only lacks its header.
func (p *policy) debugs(r *http.Request, d *decision) bool {
	if !p.debug || d.Kind != Preflight || len(r.Header["Access-Control-Request-Method"]) != 1 ||
		d.reason != MethodNotAllowed && d.reason != HeaderNotAllowed {
		return false
	}
	return p.debugAnywhere || isLocal(r)
}

// isLocal reports whether r comes from this machine to this machine.
func isLocal(r *http.Request) bool {
	host, ok := weborigin.Parse("local://" + r.Host) // a scheme without a default port
	return ok && host.Local() && rampart.PeerAddr(r).IsLoopback()
}

// explain responds as a grant does, without what is refused. Browsers look at the
// method, then at each header. "*" is not among them, since some let it stand for
// Authorization.
func (p *policy) explain(w http.ResponseWriter, r *http.Request, d *decision) {
	h := w.Header()
	origin := d.Origin
	if p.everyone {
		origin = wildcard
	}
	h.Set(allowOrigin, origin)
	if p.credentials {
		h.Set(allowCredentials, "true")
	}
	if d.reason == HeaderNotAllowed {
		h.Set(allowMethods, r.Header["Access-Control-Request-Method"][0])
		var allowed []string
		list := headerList{lines: r.Header["Access-Control-Request-Headers"], window: p.longestHeader}
		for list.next() {
			if _, ok := p.headers[list.name]; ok || p.anyHeader && list.name != authorization && lowerToken(list.name) {
				allowed = append(allowed, list.name)
			}
		}
		h.Set(allowHeaders, strings.Join(allowed, ","))
	}
	w.WriteHeader(p.status)
}
