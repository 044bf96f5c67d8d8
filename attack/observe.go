package attack

import (
	"net/http"
	"regexp"
	"strings"
)

var (
	inside   = regexp.MustCompile(`goroutine \d+ \[|runtime error:|panic: |[a-z_]+\.go:\d+|SQLSTATE|sqlite3?: |SQL logic error|pq: |ORA-\d{5}|syntax error at or near|near ".*": syntax error|no such (table|column)|Traceback \(most recent call last\)|dial tcp |connection refused|/(home|root|usr|var|opt)/[\w./-]+`) // read-only
	software = regexp.MustCompile(`/\d|\d+\.\d+`)                                                                                                                                                                                                                                                                         // read-only
)

// observe looks at a response for what is wrong with it, whatever its status.
func (s *scan) observe(c *Client, sent Request, r Response) {
	kind := r.Header.Get("Content-Type")
	if s.quiet || r.Status < 200 || byServer(sent, r) {
		return
	}
	if lacks := s.lacks(r); len(lacks) > 0 {
		s.found(headerMissing, "", c.wire(sent), "status %d without %s", r.Status, strings.Join(lacks, ", "))
	}
	for _, line := range r.Header["Set-Cookie"] {
		if cookie, err := http.ParseSetCookie(line); err == nil && (!cookie.Secure || !cookie.HttpOnly || cookie.SameSite == 0 || cookie.SameSite == http.SameSiteDefaultMode) {
			s.found(cookieFlags, "", c.wire(sent), "cookie %s: Secure %t, HttpOnly %t, SameSite %d", cookie.Name, cookie.Secure, cookie.HttpOnly, cookie.SameSite)
		}
	}
	if r.Status == http.StatusInternalServerError {
		s.found(crash, "", c.wire(sent), "status 500")
	}
	if hit := inside.Find(r.Body); r.Status >= 400 && hit != nil {
		s.found(errorLeak, "", c.wire(sent), "status %d: %q", r.Status, hit)
	}
	if powered := r.Header.Get("X-Powered-By"); powered != "" || software.MatchString(r.Header.Get("Server")) {
		s.found(softwareNamed, "", c.wire(sent), "Server: %q, X-Powered-By: %q", r.Header.Get("Server"), powered)
	}
	if strings.Contains(string(r.Body), "<script>"+htmlMark) && (kind == "" || strings.HasPrefix(kind, "text/html") || r.Header.Get("X-Content-Type-Options") == "") {
		s.found(htmlReflected, "", c.wire(sent), "status %d, Content-Type %q", r.Status, kind)
	}
}

// byServer says that a server has answered before any handler could: a request that
// it cannot read, or OPTIONS for the server as a whole. Nothing in such a response is
// for a browser to use.
func byServer(sent Request, r Response) bool {
	bare := len(r.Body) == 0 && r.Header.Get("Content-Type") == "" && r.Header.Get("Location") == "" && len(r.Header["Set-Cookie"]) == 0
	return bare && (sent.Path == "*" || r.Status == http.StatusBadRequest || r.Status == http.StatusNotImplemented) || r.Status >= 400 && r.Header.Get("Content-Type") == "text/plain; charset=utf-8" && strings.HasPrefix(string(r.Body), itoa(r.Status)+" ") && len(r.Header) <= 3
}

// lacks names the security headers that a response does not have.
func (s *scan) lacks(r Response) (names []string) {
	policy := strings.ToLower(strings.Join(r.Header["Content-Security-Policy"], ";"))
	if policy == "" {
		names = append(names, "Content-Security-Policy")
	}
	if r.Header.Get("X-Frame-Options") == "" && !strings.Contains(policy, "frame-ancestors") {
		names = append(names, "X-Frame-Options or frame-ancestors")
	}
	if !strings.EqualFold(r.Header.Get("X-Content-Type-Options"), "nosniff") {
		names = append(names, "X-Content-Type-Options")
	}
	if r.Header.Get("Referrer-Policy") == "" {
		names = append(names, "Referrer-Policy")
	}
	https := s.base.Scheme == "https" || strings.EqualFold(s.target.Header.Get("X-Forwarded-Proto"), "https") && s.target.ProxyHeader != ""
	if https && r.Header.Get("Strict-Transport-Security") == "" {
		names = append(names, "Strict-Transport-Security")
	}
	return names
}
