package headers_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// TestDjangoRecording replays what the original stack was asked. An answer is
// equal, or the table says what is better about ours.
func TestDjangoRecording(t *testing.T) {
	data, err := os.ReadFile("testdata/django_headers.json")
	require.NoError(t, err)
	var recording struct {
		Cases []struct {
			ID, Title, Method, Path string
			Headers                 [][2]string
			Status                  int
			Response                map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(data, &recording))
	require.Len(t, recording.Cases, 13)

	type better struct {
		why      string
		status   int
		location string
	}
	improved := map[string]better{
		"F03": {"a password that was on the wire is not sent again by a redirect", 403, ""},
		"F04": {"nor is a token", 403, ""},
		"F08": {"the port of plain http is not that of https", 301, "https://api.ecolaura.com:9100/api/secure/"},
		"F09": {"a scheme has no case (RFC 3986 section 3.1)", 200, ""},
		"F11": {"the path stays as it was escaped", 301, "https://127.0.0.1:9100//evil.example/%2e%2e?a=b"},
	}
	// Where Django said something else, or nothing, ours is the same everywhere.
	everywhere := map[string]string{
		"X-XSS-Protection": "0", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
	}

	cfg := headers.API("127.0.0.1:9100", "api.ecolaura.com:*")
	cfg.Proxies.Prefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} // the original believes anybody
	cfg.ReferrerPolicy = "same-origin"
	cfg.HSTS = headers.HSTS{Subdomains: true, Preload: true}
	cfg.Redirect = headers.Redirect{Status: 301, Port: 9100}
	h := newHeaders(t, cfg)
	for _, c := range recording.Cases {
		t.Run(c.ID+" "+c.Title, func(t *testing.T) {
			r := over("http", c.Method, c.Path)
			r.RemoteAddr, r.Host = "127.0.0.1:4711", "127.0.0.1:9100"
			for _, header := range c.Headers {
				if header[0] == "Host" {
					r.Host = header[1]
					continue
				}
				r.Header.Set(header[0], header[1])
			}
			status := c.Status
			next := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			want := better{status: c.Status, location: c.Response["Location"]}
			if b, ok := improved[c.ID]; ok {
				want, status = b, b.status
			}
			if want.status == 301 || want.status == 400 || want.status == 403 {
				next = never(t)
			}
			resp := answer(h.Handler(next), r)
			assert.Equal(t, want.status, resp.StatusCode, want.why)
			assert.Equal(t, want.location, resp.Header.Get("Location"), want.why)
			for name, value := range everywhere {
				assert.Equal(t, value, resp.Header.Get(name), name)
			}
			if hsts, ok := c.Response["Strict-Transport-Security"]; ok {
				assert.Equal(t, hsts, resp.Header.Get("Strict-Transport-Security"))
			}
		})
	}
}
