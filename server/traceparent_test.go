package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
	trace    = "00-" + traceID + "-" + parentID + "-01"
)

func TestParseTraceParentIsStrict(t *testing.T) {
	tests := []struct {
		desc, in    string
		ok, sampled bool
	}{
		{"the example of the specification", trace, true, true},
		{"not sampled", "00-" + traceID + "-" + parentID + "-00", true, false},
		{"unknown flags", "00-" + traceID + "-" + parentID + "-ff", true, true},
		{"flags with an even digit", "00-" + traceID + "-" + parentID + "-0a", true, false},
		{"empty", "", false, false},
		{"version ff", "ff" + trace[2:], false, false},
		{"version 00 with more", trace + "-00", false, false},
		{"a later version with more", "01" + trace[2:] + "-what-ever", true, true},
		{"a later version, same length", "cc" + trace[2:], true, true},
		{"a later version with more, not set off", "01" + trace[2:] + "x", false, false},
		{"a later version of great length", "01" + trace[2:] + "-" + strings.Repeat("a", 500), false, false},
		{"capitals", strings.ToUpper(trace), false, false},
		{"trace id all zero", "00-" + strings.Repeat("0", 32) + "-" + parentID + "-01", false, false},
		{"parent id all zero", "00-" + traceID + "-" + strings.Repeat("0", 16) + "-01", false, false},
		{"a digit short", "00-" + traceID[1:] + "-" + parentID + "-01", false, false},
		{"another separator", strings.ReplaceAll(trace, "-", "_"), false, false},
		{"no hex in the version", "0x" + trace[2:], false, false},
		{"no hex in the trace id", "00-" + "g" + traceID[1:] + "-" + parentID + "-01", false, false},
		{"no hex in the parent id", "00-" + traceID + "-" + "\n" + parentID[1:] + "-01", false, false},
		{"no hex in the flags", "00-" + traceID + "-" + parentID + "-0x", false, false},
		{"white space", " " + trace, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got, ok := server.ParseTraceParent(tt.in)
			require.Equal(t, tt.ok, ok)
			want := rampart.TraceParent{}
			if tt.ok {
				want = rampart.TraceParent{TraceID: traceID, ParentID: parentID, Sampled: tt.sampled}
			}
			assert.Equal(t, want, got)
		})
	}
}

func FuzzParseTraceParent(f *testing.F) {
	f.Add(trace)
	f.Add("01" + trace[2:] + "-more")
	f.Add("00-" + strings.Repeat("0", 32) + "-" + parentID + "-01")
	f.Fuzz(func(t *testing.T, s string) {
		tp, ok := server.ParseTraceParent(s)
		if !ok {
			assert.Zero(t, tp)
			return
		}
		assert.Equal(t, s[3:52], tp.TraceID+"-"+tp.ParentID)
		assert.Regexp(t, `^[0-9a-f]{32}$`, tp.TraceID)
		assert.Regexp(t, `^[0-9a-f]{16}$`, tp.ParentID)
	})
}

func TestOnlyATrustedPeersTraceIsInEachRecord(t *testing.T) {
	tests := []struct {
		desc, peer string
		sent       []string
		kept       bool
	}{
		{"a trusted peer's", "10.0.0.1:1", []string{trace}, true},
		{"a stranger's", "192.0.2.1:1", []string{trace}, false},
		{"two of them", "10.0.0.1:1", []string{trace, trace}, false},
		{"a malformed one", "10.0.0.1:1", []string{trace + "\nforged"}, false},
		{"none", "10.0.0.1:1", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rs logtest.Records
				rep := rampart.NewReporter(rs.Logger(), "test")
				q, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")}})
				require.NoError(t, err)
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = tt.peer
				r.Header["Traceparent"] = tt.sent
				q.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, ok := rampart.TraceParentFrom(r.Context())
					assert.Equal(t, tt.kept, ok)
					for range 3 { // the last two are folded into one record
						rep.Refused(r, rampart.AuthzFail, "", slog.String("reason", "no"))
					}
				})).ServeHTTP(httptest.NewRecorder(), r)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				got := rs.All(t)
				require.Len(t, got, 2)
				for _, rec := range got {
					assert.Regexp(t, `^[0-9a-f]{32}$`, rec["request_id"])
					if tt.kept {
						assert.Equal(t, traceID, rec["trace_id"])
						assert.Equal(t, parentID, rec["parent_id"])
					} else {
						assert.NotContains(t, rec, "trace_id", "none is made up")
					}
				}
			})
		})
	}
	_, ok := rampart.TraceParentFrom(t.Context())
	assert.False(t, ok)
}

func TestAFoldedRecordHasAnAddressOnlyIfAllItsEventsCameFromThere(t *testing.T) {
	tests := []struct {
		desc  string
		peers []string
		want  any
	}{
		{"one client", []string{"192.0.2.1", "192.0.2.1", "192.0.2.1"}, "192.0.2.1"},
		{"the first two differ", []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"}, "192.0.2.2"},
		{"several", []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"}, nil},
	}
	for _, tt := range tests {
		for _, layer := range []bool{false, true} {
			t.Run(tt.desc, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var rs logtest.Records
					rep := rampart.NewReporter(rs.Logger(), "test")
					h := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						rep.Refused(r, rampart.MaliciousCORS, "https://evil.example")
					}))
					if layer {
						h = new(server.ClientIP).Handler(h)
					}
					for _, peer := range tt.peers {
						r := httptest.NewRequest(http.MethodGet, "/", nil)
						r.RemoteAddr = peer + ":1"
						h.ServeHTTP(httptest.NewRecorder(), r)
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
					got := rs.All(t)
					require.Len(t, got, 2)
					assert.Equal(t, tt.peers[0], got[0]["client_ip"])
					assert.Equal(t, tt.want, got[1]["client_ip"])
				})
			})
		}
	}
}

func TestARequestIDSurvivesAReverseProxy(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hints" {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Set("X-Request-ID", "the-backends-own")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	var inside string
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		inside, _ = rampart.RequestIDFrom(p.In.Context())
	}}
	front := httptest.NewServer(new(server.RequestID).Handler(proxy))
	defer front.Close()
	for _, path := range []string{"/plain", "/hints"} {
		resp, err := http.Get(front.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusTeapot, resp.StatusCode)
		assert.Equal(t, []string{inside}, resp.Header[textproto.CanonicalMIMEHeaderKey("X-Request-ID")], path)
	}
}
