package plugin

import (
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// RequestTermination responds in place of the upstream.
type RequestTermination struct {
	StatusCode  int    `k:"status_code"`
	Message     string `k:"message"`
	Body        string `k:"body"`
	ContentType string `k:"content_type"`
	Trigger     string `k:"trigger"`
	Echo        bool   `k:"echo"`
}

func newRequestTermination() any {
	return config(&RequestTermination{StatusCode: http.StatusServiceUnavailable})
}

// Check looks for mistakes.
func (t *RequestTermination) Check(c *conf.Checks, _ *conf.File) {
	c.Within("config.status_code", t.StatusCode, 200, 599) // 1xx is no response
	c.Want(t.Body == "" || t.Message == "", "config.message", "message and body exclude each other")
	c.Want(t.Body != "" || t.ContentType == "", "config.content_type", "goes with body")
	c.Want(!t.Echo, "config.echo", "not known here: it shows a request to whoever sent it")
}

// layer responds in place of the upstream.
func (t *RequestTermination) layer(*conf.Plugin, *Env) (*Layer, error) {
	problem := &rampart.Problem{Status: t.StatusCode, Code: "terminated", Detail: t.Message}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name := t.Trigger; name != "" && r.Header.Get(name) == "" && !r.URL.Query().Has(name) {
				next.ServeHTTP(w, r)
				return
			}
			if t.Body == "" {
				problem.Write(w)
				return
			}
			kind := t.ContentType
			if kind == "" {
				kind = "application/json; charset=utf-8"
			}
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(t.StatusCode)
			_, _ = w.Write([]byte(t.Body))
		})
	}}, nil
}
