package rampart_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

func TestRepeatsWithinASecondAreFoldedIntoOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Records
		rep := rampart.NewReporter(log.Logger(), "test")
		report := func(key string) {
			rep.Report(t.Context(), rampart.AuthzFail, key, slog.String("reason", "r"))
		}
		report("a")
		require.Len(t, log.All(t), 1, "the first is written at once")
		for range 5 {
			report("a")
		}
		report("b")
		require.Len(t, log.All(t), 2, "another key has its own window")
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		got := log.All(t)
		require.Len(t, got, 3)
		assert.InDelta(t, 5, got[2]["count"], 0)
		assert.Equal(t, "r", got[2]["reason"])
		assert.Equal(t, "authz_fail", got[2]["msg"])
		assert.Equal(t, "WARN", got[2]["level"])

		report("a") // within the second after the folded record: folded again
		require.Len(t, log.All(t), 3)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, log.All(t), 4)

		time.Sleep(2 * time.Second)
		report("a") // a quiet key starts anew
		require.Len(t, log.All(t), 5)
		assert.Equal(t, 9, logtest.Total(log.All(t), rampart.AuthzFail))
	})
}

func TestRecordFoldsNothing(t *testing.T) {
	var log logtest.Records
	rep := rampart.NewReporter(log.Logger(), "test")
	for range 3 {
		rep.Record(t.Context(), rampart.AuthzAdmin, slog.String("action", "block"))
	}
	require.Len(t, log.All(t), 3)
	for _, record := range log.All(t) {
		assert.Equal(t, "authz_admin", record["event"])
		assert.Equal(t, "block", record["action"])
		assert.NotContains(t, record, "count")
	}
}

func TestAFloodOfKeysStaysBoundedAndEveryEventIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Records
		rep := rampart.NewReporter(log.Logger(), "test")
		const events = 20000
		for i := range events {
			rep.Report(t.Context(), rampart.ExcessRateLimit, fmt.Sprint(i%5000))
		}
		time.Sleep(990 * time.Millisecond)
		synctest.Wait()
		assert.LessOrEqual(t, len(log.All(t)), 1000, "records in the first second")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, events, logtest.Total(log.All(t), rampart.ExcessRateLimit))
		assert.LessOrEqual(t, len(log.All(t)), 1000, "records in all")

		before := len(log.All(t))
		rep.Report(t.Context(), rampart.ExcessRateLimit, "a new key after the flood")
		assert.Len(t, log.All(t), before+1, "expired keys make room")
	})
}

func TestCountedCountsInAPendingRecordOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs logtest.Records
		rp := rampart.NewReporter(rs.Logger(), "test")
		ctx := t.Context()
		for i := range 10 {
			counted := rp.Counted(ctx, rampart.AuthzFail, "k")
			assert.Equal(t, i >= 2, counted, "event %d: the first is written at once, the second arms the timer", i)
			if !counted {
				rp.Report(ctx, rampart.AuthzFail, "k", slog.Int("n", i))
			}
		}
		assert.False(t, rp.Counted(ctx, rampart.AuthzFail, "another key"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, 10, logtest.Total(rs.All(t), rampart.AuthzFail))
		assert.Len(t, rs.All(t), 2)
	})
}

func TestNothingIsCountedWhereNobodyListens(t *testing.T) {
	rp := rampart.NewReporter(slog.New(slog.DiscardHandler), "test")
	assert.True(t, rp.Counted(t.Context(), rampart.AuthzFail, "k"))
	var none *rampart.Reporter
	assert.False(t, none.Counted(t.Context(), rampart.AuthzFail, "k"))
}

func TestFlushWritesWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Records
		rep := rampart.NewReporter(log.Logger(), "test")
		for range 3 {
			rep.Report(t.Context(), rampart.AuthzFail, "a")
		}
		rep.Flush()
		assert.Equal(t, 3, logtest.Total(log.All(t), rampart.AuthzFail))
		rep.Flush()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		assert.Equal(t, 3, logtest.Total(log.All(t), rampart.AuthzFail))
	})
}

func TestConcurrentReportsAddUp(t *testing.T) {
	var log logtest.Records
	rep := rampart.NewReporter(log.Logger(), "test")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				rep.Report(context.Background(), rampart.AuthzFail, fmt.Sprint(g, i%50))
			}
		})
	}
	wg.Wait()
	rep.Flush()
	assert.Equal(t, 8000, logtest.Total(log.All(t), rampart.AuthzFail))
}

func TestARefusalNamesTheRequestButNeverItsQuery(t *testing.T) {
	var log logtest.Records
	rep := rampart.NewReporter(log.Logger(), "test")
	ids, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	ips, err := server.NewClientIP(rampart.Proxies{})
	require.NoError(t, err)
	h := rampart.Chain(ids.Handler, ips.Handler)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		rep.Refused(r, rampart.AuthzFail, "k", slog.String("reason", "no"))
	}))
	r := httptest.NewRequest(http.MethodGet, "/a%0ab?token=secret", nil)
	r.RemoteAddr = "[::ffff:192.0.2.7]:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := log.All(t)
	require.Len(t, got, 1)
	assert.Equal(t, "/a%0ab", got[0]["path"])
	assert.Equal(t, "GET", got[0]["method"])
	assert.Equal(t, "192.0.2.7", got[0]["client_ip"])
	assert.Equal(t, w.Header().Get("X-Request-ID"), got[0]["request_id"])
	assert.NotContains(t, fmt.Sprint(got), "secret")
}

func TestRefusalsOfOneAddressAreFoldedByTheirReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Records
		rep := rampart.NewReporter(log.Logger(), "test")
		outer := httptest.NewRequest(http.MethodGet, "/api/keys/x?y", nil)
		http.StripPrefix("/api/keys", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for range 3 {
				rep.Refused(r, rampart.AuthzFail, "", slog.String("reason", "scope"), slog.String("subject", "1"))
				rep.Refused(r, rampart.AuthzFail, "", slog.String("reason", "signature"))
			}
		})).ServeHTTP(httptest.NewRecorder(), outer)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got := log.All(t)
		require.Len(t, got, 4)
		for _, r := range got {
			assert.Equal(t, "/api/keys/x", r["path"], "as it was asked for")
			assert.Equal(t, r["reason"] == "scope", r["subject"] == "1")
		}
		assert.Equal(t, 6, logtest.Total(got, rampart.AuthzFail))
	})
}

func TestANilReporterAndALoggerThatIsOffDoNotPanic(t *testing.T) {
	var none *rampart.Reporter
	none.Flush()
	none.Report(t.Context(), rampart.AuthnLoginSuccess, "k")
	off := rampart.NewReporter(slog.New(slog.DiscardHandler), "test")
	off.Report(t.Context(), rampart.AuthzFail, "k")
	off.Refused(httptest.NewRequest(http.MethodGet, "/", nil), rampart.AuthzFail, "k")
	off.Flush()
}

func TestClientTextCannotForgeALine(t *testing.T) {
	for _, s := range []string{"a\nb", "a\rb", "\x1b[2J", "a\u2028b", "a\u202eb", "a\u200bb", "\xff", "a\x00b", "back\\slash", "a\u0085b", strings.Repeat("é", 500)} {
		got := rampart.Text("user", s).Value.String()
		assert.NotContains(t, got, s)
		assert.LessOrEqual(t, len(got), 256+len("…"))
		for _, r := range got {
			assert.True(t, r >= ' ' && r != 0x7f && r != 0x2028 && r != 0x202e && r != 0x200b && r != 0x85, "%q", got)
		}
	}
	assert.Equal(t, "plain é", rampart.Text("user", "plain é").Value.String())
}

func TestEventsHaveALevel(t *testing.T) {
	assert.Equal(t, slog.LevelInfo, rampart.AuthnLoginSuccess.Level())
	assert.Equal(t, slog.LevelWarn, rampart.AuthnLoginFail.Level())
	assert.Equal(t, slog.LevelError, rampart.SysCrash.Level())
	assert.Equal(t, slog.LevelInfo, rampart.BrowserNotice.Level())
	assert.Equal(t, slog.LevelWarn, rampart.BrowserCSPViolation.Level())
	assert.Equal(t, slog.LevelWarn, rampart.Event("own").Level())
}

func BenchmarkReporterFolded(b *testing.B) {
	rep := rampart.NewReporter(slog.New(slog.NewJSONHandler(io.Discard, nil)), "test")
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	b.ReportAllocs()
	for b.Loop() {
		rep.Refused(r, rampart.ExcessRateLimit, "192.0.2.1", slog.String("policy", "anon"))
	}
}
