package console_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident/console"
)

func TestEveryMistakeInAConfigIsNamed(t *testing.T) {
	_, err := console.New(console.Config{Path: "console"})
	for _, field := range []string{"API", "Recorder", "Protect", "Path"} {
		assert.ErrorContains(t, err, "console.Config."+field)
	}
	w := httptest.NewRecorder()
	new(console.Console).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestEveryPageAndCallNeedsTheScope(t *testing.T) {
	s := started(t, nil)
	paths := []string{"/", "/now", "/who", "/who/one?name=1", "/orders", "/orders/1", "/orders/export", "/keys", "/help"}
	calls := []string{"/api/fleet", "/api/now", "/api/events", "/api/who", "/api/who/one", "/api/keys", "/api/live", "/api/ops/state/"}
	for _, scope := range []string{"", "products:write"} {
		s.scope = scope
		status := map[bool]int{true: http.StatusUnauthorized, false: http.StatusForbidden}[scope == ""]
		for _, path := range append(paths, calls...) {
			w := s.do(httptest.NewRequest(http.MethodGet, path, nil))
			assert.Equal(t, status, w.Code, path)
			assert.NotContains(t, w.Body.String(), "api-1", path)
		}
		for _, path := range []string{"/orders/preview", "/orders/give"} {
			w := s.send(path, "do", "block", "prefix", "203.0.113.7", "for", "1h", "note", "x")
			assert.Equal(t, status, w.Code, path)
		}
		assert.Empty(t, s.blocks)
	}
	s.scope = "customers:read"
	denied := s.do(httptest.NewRequest(http.MethodGet, "/now?a=1", nil)).Body.String()
	assert.Contains(t, denied, "which oscar has not")
	assert.Contains(t, denied, "/login?next=%2fconsole%2fnow%3fa%3d1")
}

func TestPagesAreWholeAndNeedNothingElse(t *testing.T) {
	s := started(t, nil)
	w := s.do(httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "require-trusted-types-for 'script'")
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	total := len(w.Body.String())
	files := regexp.MustCompile(`/console(/static/[^"]+)`).FindAllStringSubmatch(w.Body.String(), -1)
	require.Len(t, files, 3)
	for _, file := range files {
		f := s.do(httptest.NewRequest(http.MethodGet, file[1], nil))
		assert.Equal(t, http.StatusOK, f.Code, file[1])
		assert.Contains(t, f.Header().Get("Cache-Control"), "immutable")
		assert.NotContains(t, f.Body.String(), "innerHTML")
		assert.NotRegexp(t, `https?://[^w]`, f.Body.String(), "no other origin")
		total += f.Body.Len()
	}
	assert.Less(t, total, 200<<10)
	assert.Equal(t, http.StatusNotFound, s.do(httptest.NewRequest(http.MethodGet, "/static/console-000.js", nil)).Code)
	for _, path := range []string{"/", "/now", "/who", "/orders", "/keys", "/help"} {
		assert.NotRegexp(t, `<script>|<style|style=| on[a-z]+="`, s.get(path), "nothing inline")
	}
	own := httptest.NewRecorder()
	own.Header().Set("Content-Security-Policy", "default-src 'self'")
	s.console.ServeHTTP(own, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, "default-src 'self'", own.Header().Get("Content-Security-Policy"), "a layer's own policy stays")
}

func TestTheFleetSaysWhoDisagreesAndSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, nil)
		page := s.get("/")
		assert.Contains(t, page, "nothing is wrong")
		assert.Contains(t, page, "12\u2009345")

		began := time.Now()
		s.instances = func() ([]rampart.Instance, error) {
			return []rampart.Instance{{ID: "api-1", Seen: time.Now(), Seq: 9, Self: true}, {ID: "api-2", Seen: time.Now(), Seq: 5}, {ID: "api-3", Seen: began, Seq: 9}}, nil
		}
		time.Sleep(time.Second)
		since := time.Now().UTC().Format("15:04:05")
		assert.Contains(t, s.get("/"), "2 of 3 instances agree · api-2 misses 4 changes")
		time.Sleep(20 * time.Second)
		page = s.get("/")
		assert.Contains(t, page, "since "+since)
		assert.Contains(t, page, "api-3 has not been heard of")

		s.instances = func() ([]rampart.Instance, error) { return nil, errAway }
		s.backends = []console.Backend{{Name: "database", State: "unreachable", Policy: "held"}}
		time.Sleep(time.Second)
		page = s.get("/")
		assert.Contains(t, page, "showing what this instance remembers")
		assert.Contains(t, page, "api-3", "what was known is shown")
		assert.Contains(t, page, "database unreachable: held")
		away := time.Now().UTC().Format("2006-01-02T15:04:05Z")
		time.Sleep(time.Minute)
		assert.Contains(t, s.get("/api/fleet"), `"since":"`+away[:19], "since when stays")
	})
}

func TestOneLookAtTheFleetIsSharedByAllPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, nil)
		looks := 0
		was := s.instances
		s.instances = func() ([]rampart.Instance, error) { looks++; return was() }
		for range 100 {
			s.get("/api/fleet")
		}
		assert.Equal(t, 1, looks)
	})
}

// What anybody can make the console show.
const evil = `<img src=x onerror=alert(1)>"'`

func TestTextIsNeverMarkup(t *testing.T) {
	s := started(t, nil)
	s.refused(rampart.AuthzFail, "reason", evil, "client_ip", evil, "subject", evil, "key_id", evil, "origin", evil, "path", evil, "request_id", evil)
	s.log.Warn("sys_alert", "event", "sys_alert", "rule", evil, "key", evil, "total", int64(5))
	s.send("/orders/give", "do", "block", "prefix", "203.0.113.7", "for", "1h", "note", evil)
	s.instances = func() ([]rampart.Instance, error) {
		return []rampart.Instance{{ID: evil, Version: evil, Seq: 2, Self: true}, {ID: evil, Seq: 1}}, nil
	}
	q := "?name=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E%22%27&who=%3Cimg+src%3Dx&do=block&prefix=%22%3E%3Cimg"
	for _, path := range []string{"/", "/now", "/now" + q, "/who", "/who?by=subject", "/who?by=key", "/who?by=origin", "/who/one" + q, "/who/one?by=subject&name=1", "/orders", "/orders" + q, "/keys"} {
		page := s.get(path)
		assert.NotContains(t, page, "<img", path)
		assert.NotContains(t, page, "<script>", path)
		assert.NotContains(t, page, "<shop>", path)
	}
	preview := s.send("/orders/preview", "do", "end_subject", "subject", evil).Body.String()
	assert.NotContains(t, preview, "<img")
	assert.NotContains(t, preview, "<script>")
	assert.NotContains(t, s.send("/orders/preview", "do", "revoke_owner", "owner", "1").Body.String(), "<b>crm")
}

func TestAStreamTellsOfChangesOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.console.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/live", nil))
		}()
		for range 3 {
			for range 10_000 {
				s.refused(rampart.AuthzFail)
			}
			time.Sleep(time.Second)
		}
		cancel()
		<-done
		n := 0
		for lines := bufio.NewScanner(w.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "event: change") {
				n++
			}
		}
		assert.GreaterOrEqual(t, n, 3)
		assert.LessOrEqual(t, n, 5)
		assert.Less(t, w.Body.Len(), 1000)
	})
}

func TestStreamsAreBoundedInNumberAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, nil)
		for range 64 {
			go s.console.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/live", nil))
		}
		synctest.Wait()
		w := s.do(httptest.NewRequest(http.MethodGet, "/api/live", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.NotEmpty(t, w.Header().Get("Retry-After"))
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w = httptest.NewRecorder()
		s.console.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/live", nil))
		assert.Equal(t, http.StatusOK, w.Code, "each has ended")
	})
}

func TestAHundredThousandEventsAreKeptInAPageOfThem(t *testing.T) {
	s := started(t, nil)
	for i := range 100_000 {
		s.refused(rampart.AuthzFail, "reason", fmt.Sprint("r", i), "subject", fmt.Sprint("s", i), "client_ip", "203.0.113.7")
	}
	assert.Len(t, s.recorder.Events(console.Filter{}, 1<<20), 2000)
	assert.Len(t, s.recorder.Who("subject", 1<<20), 1000)
	assert.Len(t, s.recorder.Who("address", 10), 1)
	assert.Empty(t, s.recorder.Who("shoe size", 10))
	assert.Less(t, len(s.get("/now")), 100<<10)
	assert.Contains(t, s.get("/now"), "Older ones")
	assert.Contains(t, s.get("/now?before=99000&layer=credential&who=203.0.113.7&route=GET"), `data-seq="98999"`)
	assert.Contains(t, s.get("/now?event=none"), "No event matches")
}

func TestARecorderPassesRecordsOn(t *testing.T) {
	var out strings.Builder
	r := console.NewRecorder(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log := slog.New(r).With("client_ip", "203.0.113.7").WithGroup("g")
	log.Info("authn_login_fail", "event", "authn_login_fail", "count", int64(3))
	assert.Empty(t, out.String(), "the next handler does not want INFO")
	log.Debug("nobody wants this")
	log.Warn("plain")
	assert.Contains(t, out.String(), "plain")
	events := r.Events(console.Filter{}, 10)
	require.Len(t, events, 1)
	assert.Equal(t, int64(3), events[0].Count)
	assert.Equal(t, "203.0.113.7", events[0].Who())
}
