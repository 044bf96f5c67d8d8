package plugin

import (
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// CorrelationID gives each request an id.
type CorrelationID struct {
	HeaderName     string `k:"header_name"`
	Generator      string `k:"generator"`
	EchoDownstream bool   `k:"echo_downstream"`
}

func newCorrelationID() any {
	return config(&CorrelationID{HeaderName: "Kong-Request-ID", Generator: "uuid#counter"})
}

// Check looks for mistakes.
func (i *CorrelationID) Check(c *conf.Checks, _ *conf.File) {
	c.Want(conf.Token(i.HeaderName), "config.header_name", "a header's name is wanted")
	c.OneOf("config.generator", i.Generator, "uuid", "uuid#counter", "tracker")
}

// layer hands on the id that the gateway's RequestID gave the request.
func (i *CorrelationID) layer(*conf.Plugin, *Env) (*Layer, error) {
	name := http.CanonicalHeaderKey(i.HeaderName)
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if id, ok := rampart.RequestIDFrom(r.Context()); ok {
				c := call.From(r.Context())
				c.SetHeaders = append(c.SetHeaders, name, id)
				if i.EchoDownstream {
					w.Header()[name] = []string{id}
				}
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}
