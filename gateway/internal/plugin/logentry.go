package plugin

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
)

// logLayer notes each request under it for the queue.
func logLayer(q *logQueue) *Layer {
	return &Layer{close: q.close, Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			c.Counts = append(c.Counts, &logged{q, w, r})
			next.ServeHTTP(w, r)
		})
	}}
}

// logged is a request under way.
type logged struct {
	queue *logQueue
	w     http.ResponseWriter
	r     *http.Request
}

// Count implements call.Counter.
func (l *logged) Count(c *call.Call, status int, sent int64, took time.Duration) {
	text, err := json.Marshal(newLogEntry(l.r, c, l.w.Header(), status, sent, took))
	if err == nil { // text, numbers and maps can be written
		l.queue.add(text)
	}
}

// A logEntry is a request in the form that Kong documents.
type logEntry struct {
	Request struct {
		ID          string         `json:"id,omitempty"`
		Method      string         `json:"method"`
		URI         string         `json:"uri"` // without the query
		URL         string         `json:"url"`
		Size        int64          `json:"size"` // of the body, if the client said so
		Querystring map[string]any `json:"querystring"`
		Headers     map[string]any `json:"headers"`
		TLS         *logTLS        `json:"tls,omitempty"`
	} `json:"request"`
	Response struct {
		Status  int            `json:"status"`
		Size    int64          `json:"size"` // of the body
		Headers map[string]any `json:"headers"`
	} `json:"response"`
	UpstreamURI    string `json:"upstream_uri,omitempty"`
	UpstreamStatus string `json:"upstream_status,omitempty"`
	Source         string `json:"source"`
	Latencies      struct {
		Request int64 `json:"request"` // milliseconds
		Kong    int64 `json:"kong"`
		Proxy   int64 `json:"proxy"` // -1: no upstream was asked
	} `json:"latencies"`
	Tries         []logTry  `json:"tries"`
	Service       *logNamed `json:"service,omitempty"`
	Route         *logNamed `json:"route,omitempty"`
	Consumer      *logNamed `json:"consumer,omitempty"`
	Authenticated *logNamed `json:"authenticated_entity,omitempty"`
	ClientIP      string    `json:"client_ip"`
	StartedAt     int64     `json:"started_at"` // milliseconds of Unix time
}

type logTLS struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
}

type logTry struct {
	IP   string `json:"ip"`
	Port int    `json:"port"`
}

type logNamed struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Host     string `json:"host,omitempty"`
	Username string `json:"username,omitempty"`
	CustomID string `json:"custom_id,omitempty"`
}

func newLogEntry(r *http.Request, c *call.Call, answered http.Header, status int, sent int64, took time.Duration) *logEntry {
	e := &logEntry{ClientIP: c.Client.String(), StartedAt: c.Start.UnixMilli(), Source: "kong", Tries: []logTry{}}
	e.Request.ID, _ = rampart.RequestIDFrom(r.Context())
	e.Request.Method, e.Request.URI, e.Request.Size = r.Method, short(r.URL.EscapedPath()), max(r.ContentLength, 0)
	e.Request.URL = fmt.Sprintf("%s://%s%s", c.Scheme, short(r.Host), e.Request.URI)
	e.Request.Headers, e.Request.Querystring = masked(r.Header, c), map[string]any{}
	if r.URL.RawQuery != "" {
		query, _ := url.ParseQuery(r.URL.RawQuery) // what can be read
		e.Request.Querystring = masked(query, c)
	}
	if r.TLS != nil {
		e.Request.TLS = &logTLS{tls.VersionName(r.TLS.Version), tls.CipherSuiteName(r.TLS.CipherSuite)}
	}
	e.Response.Status, e.Response.Size, e.Response.Headers = status, sent, masked(answered, c)
	e.Latencies.Request, e.Latencies.Kong, e.Latencies.Proxy = took.Milliseconds(), took.Milliseconds(), -1
	if c.Target != "" {
		e.UpstreamURI = short(c.UpstreamPath)
		e.Latencies.Proxy = c.Upstream.Milliseconds()
		e.Latencies.Kong = (took - c.Upstream).Milliseconds()
		host, port, _ := net.SplitHostPort(c.Target)
		n, _ := strconv.Atoi(port)
		e.Tries = append(e.Tries, logTry{host, n})
	}
	if c.Status != 0 {
		e.UpstreamStatus, e.Source = strconv.Itoa(c.Status), "upstream"
	}
	if c.Service != nil {
		e.Service = &logNamed{ID: c.Service.ID, Name: c.Service.Name, Host: c.Service.Host}
	}
	if c.Route != nil {
		e.Route = &logNamed{ID: c.Route.ID, Name: c.Route.Name}
	}
	if c.Consumer != nil {
		e.Consumer = &logNamed{ID: c.Consumer.ID, Username: c.Consumer.Username, CustomID: c.Consumer.CustomID}
	}
	if c.Credential != "" {
		e.Authenticated = &logNamed{ID: c.Credential}
	}
	return e
}

// Bounds of an entry: how much of one text, and how many headers or parameters.
const (
	maxLogText   = 1024
	maxLogFields = 64
)

// short bounds a client's text.
func short(s string) string {
	if len(s) > maxLogText {
		s = s[:maxLogText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return s
}

// masked returns headers or parameters by their names in lower case, without
// secrets.
func masked(all map[string][]string, c *call.Call) map[string]any {
	out := make(map[string]any, min(len(all), maxLogFields))
	for name, values := range all {
		if len(out) == maxLogFields {
			break
		}
		lower := strings.ToLower(short(name))
		switch {
		case secret(lower) || slices.ContainsFunc(c.Secrets, func(s string) bool { return strings.EqualFold(s, name) }):
			out[lower] = "REDACTED"
		case len(values) == 1:
			out[lower] = short(values[0])
		default:
			list := make([]string, min(len(values), maxLogFields))
			for i := range list {
				list[i] = short(values[i])
			}
			out[lower] = list
		}
	}
	return out
}

// secret reports whether a header or parameter may hold a secret, by its name in
// lower case.
func secret(name string) bool {
	for _, word := range []string{"auth", "cookie", "key", "token", "secret", "passw", "pwd", "jwt", "session", "signature", "credential", "csrf", "xsrf", "otp"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "sig" || name == "code" || name == "pin" || name == "referer" // whose query may hold any of them
}
