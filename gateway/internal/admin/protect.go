package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/ecolaura/rampart"
)

// Protect keeps web pages away from the Admin API: a page in its operator's
// browser can send these very forms to a loopback address, and by DNS rebinding
// read the responses too. So a request with an Origin, from another site, or for a
// Host that is not a loopback name is refused. With a token every request needs
// it (Authorization: Bearer, or Kong-Admin-Token), and any Host will do.
func Protect(next http.Handler, token string, events *rampart.Reporter) http.Handler {
	want := sha256.Sum256([]byte(token))
	g := &guard{events}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case len(r.Header["Origin"]) > 0 || site != "" && site != "none" && site != "same-origin":
			g.report(r, rampart.MaliciousCSRF, "cross_origin")
			problem(w, http.StatusForbidden, codeNone, "cross_origin", "requests of web pages are refused", nil)
			return
		case token == "" && (!loopback(r.Host) || !local(r)):
			g.report(r, rampart.MaliciousHost, "bad_host")
			problem(w, http.StatusForbidden, codeNone, "bad_host", "name a loopback host", nil)
			return
		case token != "":
			got := sha256.Sum256([]byte(given(r)))
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				g.report(r, rampart.AuthnLoginFail, "admin_token")
				problem(w, http.StatusUnauthorized, codeNone, "admin_token", "the admin token is wanted", nil)
				return
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// local reports whether r comes from this machine.
func local(r *http.Request) bool {
	if _, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); ok {
		return true
	}
	return rampart.PeerAddr(r).IsLoopback()
}

// guard tells events of the Admin API from the proxy's.
type guard struct{ events *rampart.Reporter }

func (g *guard) report(r *http.Request, e rampart.Event, reason string) {
	g.events.Refused(r, e, "", slog.String("reason", reason), slog.String("listener", "admin"))
}

func given(r *http.Request) string {
	if t := r.Header.Get("Kong-Admin-Token"); t != "" {
		return t
	}
	scheme, t, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return t
}

// loopback reports whether a Host names this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}
