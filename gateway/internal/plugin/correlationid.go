package plugin

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// CorrelationID gives each request an id.
type CorrelationID struct {
	HeaderName     string `k:"header_name"`
	Generator      string `k:"generator"`
	EchoDownstream bool   `k:"echo_downstream"`
	TrustClients   bool   `k:"trust_clients"` // ours: keep the id that anybody sends, as Kong does
}

func newCorrelationID() any {
	return config(&CorrelationID{HeaderName: "Kong-Request-ID", Generator: "uuid#counter"})
}

// Check looks for mistakes.
func (i *CorrelationID) Check(c *conf.Checks, _ *conf.File) {
	c.Want(conf.Token(i.HeaderName), "config.header_name", "a header's name is wanted")
	c.OneOf("config.generator", i.Generator, "uuid", "uuid#counter", "tracker")
	c.Want(!i.TrustClients || !i.own(), "config.trust_clients", "the id in X-Request-ID is the gateway's, by which its log goes: choose another header_name")
}

// own reports whether the header is that of the gateway's RequestID, which then gives
// the id.
func (i *CorrelationID) own() bool { return http.CanonicalHeaderKey(i.HeaderName) == "X-Request-Id" }

// layer hands on an id: that of the request if its sender is trusted, a new one
// otherwise. The upstream and the client see one and the same, once.
func (i *CorrelationID) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	name, fresh := http.CanonicalHeaderKey(i.HeaderName), i.generator()
	peers := e.Proxies
	peers.Hops = 0 // any peer would be one
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var id string
			if sent := r.Header[name]; len(sent) == 1 && keepable(sent[0]) && (i.TrustClients || peers.Trusts(r)) {
				id = sent[0]
			} else {
				id = fresh(r)
			}
			c := call.From(r.Context())
			c.SetHeaders = append(c.SetHeaders, name, id)
			if i.EchoDownstream {
				c.Own(w, name, id)
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

// maxID is how long an id may be that is kept.
const maxID = 128

// keepable reports whether an id can be passed on and logged as it is.
func keepable(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// generator returns what makes ids, in the forms that Kong's have.
func (i *CorrelationID) generator() func(*http.Request) string {
	var count atomic.Uint64
	begin := uuid()
	switch {
	case i.own():
		return func(r *http.Request) string {
			id, _ := rampart.RequestIDFrom(r.Context())
			return id
		}
	case i.Generator == "uuid":
		return func(*http.Request) string { return uuid() }
	case i.Generator == "tracker": // address, port, process, connection, request, time
		return func(r *http.Request) string {
			local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			host, port, _ := net.SplitHostPort(fmt.Sprint(local))
			_, conn, _ := net.SplitHostPort(r.RemoteAddr)
			return fmt.Sprintf("%s-%s-%d-%s-%d-%.3f", host, port, os.Getpid(), conn, count.Add(1), float64(time.Now().UnixMilli())/1000)
		}
	}
	return func(*http.Request) string { return begin + "#" + strconv.FormatUint(count.Add(1), 10) }
}

// uuid returns a random one (RFC 9562 section 5.4). It is no secret.
func uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(rand.Uint32()) //nolint:gosec // see above
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
