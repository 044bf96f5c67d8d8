package cors_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// request is a call of fetch() by a script.
type request struct {
	Method         string      `json:"method"`
	Headers        [][2]string `json:"headers"`
	Credentials    string      `json:"credentials"`
	PrivateNetwork bool        `json:"private_network"`
}

// A browser plays the client's side of the protocol (Fetch, sections 2.2.2,
// 4.8 and 4.9) for one page against one server, over nothing but what goes over
// the wire. It is written from the standard, not from this package.
type browser struct {
	server  string // its origin
	handler http.Handler
	page    string // origin of the page
}

// fetch returns the headers that the script may read, in lower case, or why it
// may read nothing.
func (b browser) fetch(t *testing.T, q request) (headers map[string]string, why string) {
	t.Helper()
	method, why := sendableMethod(q.Method)
	if why != "" {
		return nil, why
	}
	sent := map[string]string{}
	for _, line := range q.Headers {
		name, value := strings.ToLower(line[0]), strings.Trim(line[1], " \t")
		if !isToken(name) {
			return nil, "header name is no token"
		}
		if dropped(name, value) {
			continue
		}
		if old, ok := sent[name]; ok {
			value = old + ", " + value
		}
		sent[name] = value
	}
	include := q.Credentials == "include"

	if b.page == b.server {
		w := b.send(t, method, sent, "same-origin")
		return readable(w.Header(), func(string) bool { return true }), ""
	}
	unsafe := unsafeNames(sent)
	if q.PrivateNetwork || len(unsafe) > 0 || !slices.Contains([]string{"GET", "HEAD", "POST"}, method) {
		if why := b.preflight(t, method, unsafe, include, q.PrivateNetwork); why != "" {
			return nil, "preflight: " + why
		}
	}
	w := b.send(t, method, sent, "cross-site")
	if why := b.corsCheck(w.Header(), include); why != "" {
		return nil, why
	}
	exposed := members(w.Header(), "Access-Control-Expose-Headers")
	return readable(w.Header(), func(name string) bool {
		return slices.Contains(exposed, name) || !include && slices.Contains(exposed, "*") ||
			slices.Contains([]string{"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}, name)
	}), ""
}

func (b browser) send(t *testing.T, method string, headers map[string]string, site string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, b.server+"/", nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Sec-Fetch-Site", site)
	if site != "same-origin" || method != "GET" && method != "HEAD" {
		r.Header.Set("Origin", b.page)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b browser) preflight(t *testing.T, method string, unsafe []string, include, private bool) (why string) {
	t.Helper()
	ask := map[string]string{"Access-Control-Request-Method": method}
	if len(unsafe) > 0 {
		ask["Access-Control-Request-Headers"] = strings.Join(unsafe, ",")
	}
	if private {
		ask["Access-Control-Request-Private-Network"] = "true"
	}
	w := b.send(t, "OPTIONS", ask, "cross-site")
	h := w.Header()
	if why := b.corsCheck(h, include); why != "" {
		return why
	}
	if w.Code < 200 || w.Code > 299 {
		return "status"
	}
	if private && h.Get("Access-Control-Allow-Private-Network") != "true" {
		return "private network"
	}
	// Methods keep their case, header names have none.
	var methods []string
	for m := range strings.SplitSeq(strings.Join(h.Values("Access-Control-Allow-Methods"), ","), ",") {
		methods = append(methods, strings.TrimSpace(m))
	}
	if !slices.Contains([]string{"GET", "HEAD", "POST"}, method) && !slices.Contains(methods, method) && (include || !slices.Contains(methods, "*")) {
		return "method"
	}
	headers := members(h, "Access-Control-Allow-Headers")
	for _, name := range unsafe {
		if !slices.Contains(headers, name) && (include || name == "authorization" || !slices.Contains(headers, "*")) {
			return "header " + name
		}
	}
	return ""
}

// corsCheck is Fetch section 4.10.
func (b browser) corsCheck(h http.Header, include bool) (why string) {
	origin := strings.Join(h.Values("Access-Control-Allow-Origin"), ", ")
	switch {
	case origin == "":
		return "no Access-Control-Allow-Origin"
	case !include && origin == "*":
		return ""
	case origin != b.page:
		return "another Access-Control-Allow-Origin"
	case include && strings.Join(h.Values("Access-Control-Allow-Credentials"), ", ") != "true":
		return "no Access-Control-Allow-Credentials"
	}
	return ""
}

func readable(h http.Header, exposed func(name string) bool) map[string]string {
	m := map[string]string{}
	for name := range h {
		name = strings.ToLower(name)
		if exposed(name) && name != "set-cookie" && name != "set-cookie2" {
			m[name] = h.Get(name)
		}
	}
	return m
}

func members(h http.Header, name string) []string {
	var list []string
	for m := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		list = append(list, strings.ToLower(strings.TrimSpace(m)))
	}
	return list
}

func sendableMethod(method string) (normal, why string) {
	if !isToken(method) {
		return "", "method is no token"
	}
	upper := strings.ToUpper(method)
	switch upper {
	case "CONNECT", "TRACE", "TRACK":
		return "", "method is forbidden"
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		return upper, ""
	}
	return method, ""
}

// dropped is "forbidden request-header": a script's attempt to set one has no
// effect.
func dropped(name, value string) bool {
	switch name {
	case "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method", "connection",
		"content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie",
		"te", "trailer", "transfer-encoding", "upgrade", "via":
		return true
	case "x-http-method", "x-http-method-override", "x-method-override":
		for method := range strings.SplitSeq(value, ",") {
			switch strings.ToUpper(strings.TrimSpace(method)) {
			case "CONNECT", "TRACE", "TRACK":
				return true
			}
		}
	}
	return strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// unsafeNames is "CORS-unsafe request-header names".
func unsafeNames(headers map[string]string) []string {
	var unsafe, safe []string
	size := 0
	for name, value := range headers {
		if safelisted(name, value) {
			safe = append(safe, name)
			size += len(value)
		} else {
			unsafe = append(unsafe, name)
		}
	}
	if size > 1024 {
		unsafe = append(unsafe, safe...)
	}
	slices.Sort(unsafe)
	return unsafe
}

// safelisted is "CORS-safelisted request-header".
func safelisted(name, value string) bool {
	const unsafeBytes = "\"():<>?@[\\]{}\x7f"
	unsafe := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || strings.ContainsRune(unsafeBytes, r) })
	if len(value) > 128 {
		return false
	}
	switch name {
	case "accept":
		return !unsafe
	case "accept-language", "content-language":
		return !strings.ContainsFunc(value, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(" *,-.;=", r)
		})
	case "content-type":
		essence, _, _ := strings.Cut(value, ";")
		switch strings.ToLower(strings.TrimSpace(essence)) {
		case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
			return !unsafe
		}
	case "range":
		first, last, ok := strings.Cut(strings.TrimPrefix(value, "bytes="), "-")
		digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
		return ok && strings.HasPrefix(value, "bytes=") && first != "" && digits(first) && digits(last)
	}
	return false
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
