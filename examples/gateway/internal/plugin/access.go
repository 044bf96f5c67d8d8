package plugin

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/examples/gateway/internal/call"
	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// acl goes by the groups of the consumer that an authentication plugin found.
func acl(cfg *conf.ACLConfig, e *Env) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if c.Consumer == nil {
				e.Events.Refused(r, rampart.AuthzFail, "", slog.String("reason", "no_consumer"))
				(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
				return
			}
			in := func(group string) bool { return slices.Contains(c.Groups, group) }
			if slices.ContainsFunc(cfg.Deny, in) || len(cfg.Allow) > 0 && !slices.ContainsFunc(cfg.Allow, in) {
				e.Events.Refused(r, rampart.AuthzFail, "", slog.String("reason", "group"), slog.String("subject", c.Consumer.ID))
				(&rampart.Problem{Status: http.StatusForbidden, Code: "permission_denied"}).Write(w)
				return
			}
			if cfg.HideGroupsHeader {
				c.Groups = nil
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ipRestriction is package ipfilter.
func ipRestriction(cfg *conf.IPRestriction, e *Env) (func(http.Handler) http.Handler, error) {
	ic := ipfilter.Config{ClientIP: clientAddr, Logger: e.Log}
	for to, from := range map[*[]netip.Prefix][]string{&ic.Allow: cfg.Allow, &ic.Deny: cfg.Deny} {
		for _, s := range from {
			p, err := conf.Prefix(s)
			if err != nil {
				return nil, err
			}
			*to = append(*to, p)
		}
	}
	if cfg.Status != 0 || cfg.Message != "" {
		problem := &rampart.Problem{Status: max(cfg.Status, http.StatusForbidden), Code: "address_denied", Detail: cfg.Message}
		if cfg.Status != 0 {
			problem.Status = cfg.Status
		}
		ic.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { problem.Write(w) }
	}
	f, err := ipfilter.New(ic)
	if err != nil {
		return nil, err
	}
	return f.Handler, nil
}

// corsLayer is package cors.
func corsLayer(cfg *conf.CORS, e *Env) (func(http.Handler) http.Handler, error) {
	cc := cfg.Settings()
	cc.Logger = e.Log
	c, err := cors.New(cc)
	if err != nil {
		return nil, err
	}
	return c.Handler, nil
}

// securityHeaders is package headers.
func securityHeaders(cfg *conf.SecurityHeaders, e *Env) (func(http.Handler) http.Handler, error) {
	hc := cfg.Settings()
	hc.Logger, hc.TrustedProxies = e.Log, e.Trusted
	h, err := headers.New(hc)
	if err != nil {
		return nil, err
	}
	return h.Handler, nil
}

// requestSize bounds bodies; one that does not say how long it is, is cut off.
func requestSize(cfg *conf.RequestSizeLimiting, e *Env) func(http.Handler) http.Handler {
	most := int64(cfg.AllowedPayloadSize)
	switch cfg.SizeUnit {
	case "megabytes":
		most *= 1 << 20
	case "kilobytes":
		most *= 1 << 10
	}
	report := func(r *http.Request, reason string) {
		e.Events.Refused(r, rampart.InputValidationFail, "", slog.String("reason", reason))
	}
	refuse := func(w http.ResponseWriter, r *http.Request, status int, code string) {
		report(r, code)
		w.Header().Set("Connection", "close")
		(&rampart.Problem{Status: status, Code: code}).Write(w)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.ContentLength > most:
				refuse(w, r, http.StatusRequestEntityTooLarge, "too_large")
				return
			case r.ContentLength < 0 && cfg.RequireContentLength:
				refuse(w, r, http.StatusLengthRequired, "length_required")
				return
			case r.ContentLength < 0:
				bounded := new(http.Request)
				*bounded = *r
				bounded.Body = &boundedBody{http.MaxBytesReader(w, r.Body, most), func() { report(bounded, "too_large") }}
				r = bounded
			}
			next.ServeHTTP(w, r)
		})
	}
}

// boundedBody tells that a body is too long, which shows only when it is read.
type boundedBody struct {
	io.ReadCloser
	tooLong func()
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		b.tooLong()
	}
	return n, err
}

// termination answers in place of the upstream.
func termination(cfg *conf.RequestTermination) func(http.Handler) http.Handler {
	problem := &rampart.Problem{Status: cfg.StatusCode, Code: "terminated", Detail: cfg.Message}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if t := cfg.Trigger; t != "" && r.Header.Get(t) == "" && !r.URL.Query().Has(t) {
				next.ServeHTTP(w, r)
				return
			}
			if cfg.Body == "" {
				problem.Write(w)
				return
			}
			kind := cfg.ContentType
			if kind == "" {
				kind = "application/json; charset=utf-8"
			}
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(cfg.StatusCode)
			_, _ = w.Write([]byte(cfg.Body))
		})
	}
}

// correlationID hands on the id that the gateway's RequestID gave the request.
func correlationID(cfg *conf.CorrelationID) func(http.Handler) http.Handler {
	name := http.CanonicalHeaderKey(cfg.HeaderName)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if id, ok := rampart.RequestIDFrom(r.Context()); ok {
				c := call.From(r.Context())
				c.SetHeaders = append(c.SetHeaders, name, id)
				if cfg.EchoDownstream {
					w.Header()[name] = []string{id}
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// responseTransformer edits the header of an answer just before it is sent, in
// Kong's order: remove, rename, replace, add, append.
func responseTransformer(cfg *conf.ResponseTransformer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t := &transformer{ResponseWriter: w, cfg: cfg}
			next.ServeHTTP(t, r)
		})
	}
}

type transformer struct {
	http.ResponseWriter
	cfg  *conf.ResponseTransformer
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
