package headers_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/logtest"
)

// A redirect that a proxy's client would follow to where it came from is refused, and
// the log says what to set.
func TestAProxyThatIsNotBelievedCausesNoLoop(t *testing.T) {
	ours := rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	other := rampart.Proxies{Prefixes: ours.Prefixes, SchemeHeader: "CloudFront-Forwarded-Proto"}
	rfc7239 := rampart.Proxies{Prefixes: ours.Prefixes, SchemeHeader: "Forwarded"}
	const nobody, header = "Proxies.Prefixes or Proxies.Hops", "Proxies.SchemeHeader"
	for _, tt := range []struct {
		desc        string
		proxies     rampart.Proxies
		name, value string
		set         string // "": it is redirected
	}{
		{"X-Forwarded-Proto", rampart.Proxies{}, "X-Forwarded-Proto", "https", nobody},
		{"X-Forwarded-Proto, appended to", rampart.Proxies{}, "X-Forwarded-Proto", "HTTPS, http", nobody},
		{"X-Forwarded-Ssl", rampart.Proxies{}, "X-Forwarded-Ssl", "on", nobody},
		{"X-Forwarded-Protocol", rampart.Proxies{}, "X-Forwarded-Protocol", "https", nobody},
		{"X-Forwarded-Scheme", rampart.Proxies{}, "X-Forwarded-Scheme", "https", nobody},
		{"X-Scheme", rampart.Proxies{}, "X-Scheme", "https", nobody},
		{"X-Url-Scheme", rampart.Proxies{}, "X-Url-Scheme", "https", nobody},
		{"Front-End-Https", rampart.Proxies{}, "Front-End-Https", "1", nobody},
		{"Forwarded", rampart.Proxies{}, "Forwarded", "for=192.0.2.1;Proto=https", nobody},
		{"Forwarded, quoted", rampart.Proxies{}, "Forwarded", `proto="https"`, nobody},
		{"Cloudflare's", rampart.Proxies{}, "Cf-Visitor", `{"scheme":"https"}`, nobody},
		{"CloudFront's", rampart.Proxies{}, "Cloudfront-Forwarded-Proto", "https", nobody},
		{"that of Azure", rampart.Proxies{}, "X-Arr-Ssl", "2048|256|CN=x", nobody},
		{"a neighbour of the proxies", rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "X-Forwarded-Proto", "https", nobody},
		{"a trusted proxy that writes another header", other, "X-Forwarded-Proto", "https", header},
		{"the same with Forwarded configured", rfc7239, "X-Forwarded-Proto", "https", header},
		{"a trusted proxy that says http", ours, "X-Forwarded-Proto", "http", ""},
		{"a client that says https to a trusted proxy which says http", ours, "X-Forwarded-Proto", "https, http", ""},
		{"http", rampart.Proxies{}, "X-Forwarded-Proto", "http", ""},
		{"Cloudflare's for http", rampart.Proxies{}, "Cf-Visitor", `{"scheme":"http"}`, ""},
		{"Forwarded for http", rampart.Proxies{}, "Forwarded", "proto=http", ""},
		{"a header that says nothing of it", rampart.Proxies{}, "X-Forwarded-For", "https", ""},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			log := &logtest.Records{}
			cfg := headers.API("api.example.com")
			cfg.Proxies, cfg.Logger = tt.proxies, log.Logger()
			h := newHeaders(t, cfg)
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r := httptest.NewRequest(method, "http://api.example.com/x", nil)
				r.RemoteAddr = "10.0.0.5:1"
				r.Header.Set(tt.name, tt.value)
				w := httptest.NewRecorder()
				h.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is served") })).ServeHTTP(w, r)
				_, err := h.Check(r)
				switch {
				case tt.set != "":
					assert.Equal(t, http.StatusForbidden, w.Code)
					assert.Contains(t, w.Body.String(), "does not trust")
					var insecure *headers.InsecureError
					require.ErrorAs(t, err, &insecure)
					assert.Equal(t, headers.InsecureError{Reason: headers.InsecureUntrusted, Header: tt.name, Field: tt.set}, *insecure)
				case method == http.MethodGet:
					assert.Equal(t, http.StatusPermanentRedirect, w.Code)
				default:
					assert.Equal(t, http.StatusForbidden, w.Code)
					assert.Contains(t, w.Body.String(), "Use https.")
				}
			}
			if tt.set != "" {
				got := log.All(t)
				require.Len(t, got, 1, "one for the peer; the other one is folded")
				for name, want := range map[string]string{"event": "insecure_transport", "reason": "untrusted_proxy", "header": tt.name, "set": tt.set, "peer": "10.0.0.5"} {
					assert.Equal(t, want, got[0][name])
				}
			}
		})
	}
}
