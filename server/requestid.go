package server

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/textproto"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/internal/token"
)

// RequestIDConfig configures a [RequestID]. The zero value makes an id for
// every request and believes none.
type RequestIDConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Proxies are those whose id is kept, if it is well-formed (1 to 64 letters,
	// digits, "-", "_", "."), and whose traceparent is believed
	// ([ParseTraceParent]). An id of anyone else would let clients pick what their
	// requests are filed under: a proxy that passes on what the client sent must
	// not be among them, and of proxies that are told by Hops nothing is believed.
	Proxies rampart.Proxies

	// Header that carries the id, in and out; "" means X-Request-ID.
	Header string
}

// RequestID gives every request an id: in the response's header, in the context
// ([rampart.RequestIDFrom]) and so in every event. A trusted peer's traceparent goes the
// same way ([rampart.TraceParentFrom]); it is not sent back. A RequestID is safe for
// concurrent use. The zero value behaves like one made from a zero config.
// Create one with [NewRequestID].
type RequestID struct {
	proxies rampart.Proxies
	header  string
}

// NewRequestID returns a RequestID for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewRequestID(cfg RequestIDConfig) (*RequestID, error) {
	bad := conferr.For("server.RequestIDConfig")
	proxies, err := cfg.Proxies.Checked()
	bad.Join(err)
	bad.If(cfg.Header != "" && !token.Valid(cfg.Header), "Header", rampart.ReasonInvalid, cfg.Header, conferr.WantHeader)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	proxies.Hops = 0 // any peer would be one
	return &RequestID{proxies: proxies, header: textproto.CanonicalMIMEHeaderKey(cfg.Header)}, nil
}

// Handler is the layer. Put it outermost, so that every response carries an id.
func (q *RequestID) Handler(next http.Handler) http.Handler {
	header := cmp.Or(q.header, "X-Request-Id") // the canonical form of X-Request-ID
	kind := request.ID
	if !request.IsUsual(header) {
		kind |= request.Loud
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := request.JoinCopy(w, r, kind, false, func(a *correlation) {
			a.header = header
			a.Correlation = q.correlate(r, header)
		})
		inner.Serve(next, w, r)
	})
}

func (q *RequestID) correlate(r *http.Request, header string) (c request.Correlation) {
	if q.proxies.Trusts(r) {
		if sent := r.Header[header]; len(sent) == 1 && wellFormedID(sent[0]) {
			c.ID = sent[0]
		}
		// W3C Trace Context, section 3.2.2: of several, none is believed.
		if sent := r.Header["Traceparent"]; len(sent) == 1 {
			c.Trace, _ = ParseTraceParent(sent[0])
		}
	}
	if c.ID == "" {
		c.ID = newRequestID()
	}
	return c
}

// correlation sees to it that the response carries its id, and only that.
type correlation struct {
	request.Base
	request.Correlation
	header string
	value  [1]string
}

// Final implements [request.Layer].
func (a *correlation) Final(_ *request.Writer, h http.Header, _ int, _ request.Look) {
	a.value[0] = a.ID
	h[a.header] = a.value[:]
}

// Value implements [request.Layer].
func (a *correlation) Value(_ *request.Writer, key any) any {
	if key == (request.CorrelationKey{}) {
		return &a.Correlation
	}
	return nil
}

func wellFormedID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// newRequestID returns 128 random bits. An id is no secret, so the fast,
// randomly seeded generator of the runtime does.
func newRequestID() string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64()) //nolint:gosec // not a secret, see above
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64()) //nolint:gosec // not a secret, see above
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}
