package plugin

import (
	"net/http"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// ResponseTransformer edits the header of responses.
type ResponseTransformer struct {
	Remove  Headers `k:"remove"` // names
	Rename  Headers `k:"rename"` // name:value, as in the others
	Replace Headers `k:"replace"`
	Add     Headers `k:"add"`
	Append  Headers `k:"append"`
}

// Headers lists names, or name:value.
type Headers struct {
	Headers []string `k:"headers"`
}

func newResponseTransformer() any { return config(&ResponseTransformer{}) }

// Inert names what Kong has and this gateway has not.
func (*Headers) Inert() map[string]string { return map[string]string{"json": "[]", "json_types": "[]"} }

// Check looks for mistakes.
func (r *ResponseTransformer) Check(c *conf.Checks, _ *conf.File) {
	c.Each("config.remove.headers", r.Remove.Headers, conf.Token, "a header's name")
	pair := func(s string) bool {
		name, value, ok := strings.Cut(s, ":")
		return ok && conf.Token(name) && conf.Printable(value)
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"replace", r.Replace.Headers}, {"add", r.Add.Headers}, {"append", r.Append.Headers}, {"rename", r.Rename.Headers}} {
		c.Each("config."+l.name+".headers", l.list, pair, "name:value")
	}
}

// layer edits the header of a response just before it is sent, in Kong's order:
// remove, rename, replace, add, append.
func (r *ResponseTransformer) layer(*conf.Plugin, *Env) (*Layer, error) {
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(&transformer{ResponseWriter: w, cfg: r}, req)
		})
	}}, nil
}

type transformer struct {
	http.ResponseWriter
	cfg  *ResponseTransformer
	done bool
}

// WriteHeader implements http.ResponseWriter.
func (t *transformer) WriteHeader(status int) {
	if !t.done && (status >= 200 || status == http.StatusSwitchingProtocols) {
		t.done = true
		t.edit(t.Header())
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (t *transformer) Write(p []byte) (int, error) {
	if !t.done {
		t.WriteHeader(http.StatusOK)
	}
	return t.ResponseWriter.Write(p)
}

// FlushError sends the header and what has been written.
func (t *transformer) FlushError() error {
	if !t.done {
		t.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (t *transformer) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *transformer) edit(h http.Header) {
	for _, n := range t.cfg.Remove.Headers {
		h.Del(n)
	}
	pairs := func(list []string, f func(name, value string)) {
		for _, p := range list {
			name, value, _ := strings.Cut(p, ":")
			f(name, strings.TrimSpace(value))
		}
	}
	pairs(t.cfg.Rename.Headers, func(from, to string) {
		if v := h.Values(from); len(v) > 0 {
			h.Del(from)
			h[http.CanonicalHeaderKey(to)] = v
		}
	})
	pairs(t.cfg.Replace.Headers, func(n, v string) {
		if len(h.Values(n)) > 0 {
			h.Set(n, v)
		}
	})
	pairs(t.cfg.Add.Headers, func(n, v string) {
		if len(h.Values(n)) == 0 {
			h.Set(n, v)
		}
	})
	pairs(t.cfg.Append.Headers, func(n, v string) { h.Add(n, v) })
}
