package rampart_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

// identified serves a request from 192.0.2.1, a trusted proxy, behind the layers
// that tell who it is.
func identified(t *testing.T, forwarded string, h http.HandlerFunc) {
	t.Helper()
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Prefixes: trusted}})
	require.NoError(t, err)
	clients, err := server.NewClientIP(rampart.Proxies{Prefixes: trusted})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", "id-1")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("X-Forwarded-For", forwarded)
	ids.Handler(clients.Handler(h)).ServeHTTP(httptest.NewRecorder(), r)
}

func TestWhatTheLayersTellIsInTheContextAndInEachEvent(t *testing.T) {
	var log logtest.Records
	identified(t, "198.51.100.7", func(_ http.ResponseWriter, r *http.Request) {
		id, ok := rampart.RequestIDFrom(r.Context())
		assert.True(t, ok)
		assert.Equal(t, "id-1", id)
		trace, ok := rampart.TraceParentFrom(r.Context())
		assert.True(t, ok)
		assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", trace.TraceID)
		addr, ok := rampart.ClientAddrFrom(r.Context())
		assert.True(t, ok)
		assert.Equal(t, "198.51.100.7", addr.String())
		rampart.NewReporter(log.Logger(), "test").Refused(r, rampart.AuthzFail, "")
	})
	require.Len(t, log.All(t), 1)
	record := log.All(t)[0]
	assert.Equal(t, "id-1", record["request_id"])
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", record["trace_id"])
	assert.Equal(t, "b7ad6b7169203331", record["parent_id"])
	assert.Equal(t, "198.51.100.7", record["client_ip"])
}

func TestWithoutTheLayersTheContextTellsNothing(t *testing.T) {
	_, ok := rampart.RequestIDFrom(t.Context())
	assert.False(t, ok)
	_, ok = rampart.TraceParentFrom(t.Context())
	assert.False(t, ok)
	_, ok = rampart.ClientAddrFrom(t.Context())
	assert.False(t, ok)
}

func TestPeerAddr(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1":          "192.0.2.1",
		"[::ffff:192.0.2.1]:1": "192.0.2.1",
		"[fe80::1%eth0]:1":     "fe80::1",
		"@":                    "invalid IP",
	} {
		assert.Equal(t, want, rampart.PeerAddr(&http.Request{RemoteAddr: remote}).String(), "%s", remote)
	}
}

// holding is a handler that flushes the Reporters that hold something for it.
type holding struct {
	slog.Handler
	held *[]*rampart.Reporter
}

func (h holding) Hold(rp *rampart.Reporter) { *h.held = append(*h.held, rp) }

func TestAFoldedRecordHasAnAddressOnlyIfAllOfItsEventsCameFromThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Records
		var held []*rampart.Reporter
		rep := rampart.NewReporter(slog.New(holding{log.Logger().Handler(), &held}), "test")
		from := func(addr string) {
			identified(t, addr, func(_ http.ResponseWriter, r *http.Request) { rep.Report(r.Context(), rampart.AuthzFail, "k") })
		}
		from("198.51.100.1")
		from("198.51.100.1")
		assert.Equal(t, []*rampart.Reporter{rep}, held, "the handler is told that a record is pending")
		held[0].Flush()
		from("198.51.100.1")
		from("198.51.100.2")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		records := log.All(t)
		require.Len(t, records, 3)
		assert.Equal(t, "198.51.100.1", records[1]["client_ip"])
		assert.NotContains(t, records[2], "client_ip")
	})
}

func TestAnEventHasThePathAsItWasAskedFor(t *testing.T) {
	for uri, want := range map[string]string{"/api/a%2Fb?token=x": "/api/a%2Fb", "": "/b"} {
		var log logtest.Records
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/b", nil)
		r.RequestURI = uri
		rampart.NewReporter(log.Logger(), "test").Refused(r, rampart.AuthzFail, "k")
		assert.Equal(t, want, log.All(t)[0]["path"])
	}
}
