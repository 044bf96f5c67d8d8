package attack_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// serve runs h on a server with a server's own weaknesses.
func serve(t *testing.T, h http.Handler, weak string) string {
	t.Helper()
	srv := &http.Server{Handler: h, DisableGeneralOptionsHandler: true, ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	switch weak {
	case "A slow header holds a connection":
		srv.ReadTimeout = 3 * time.Second // an honest request must not take longer on a busy machine
	case "A slow body holds a connection":
		srv.ReadHeaderTimeout = 3 * time.Second
	case "":
		srv.ReadHeaderTimeout, srv.ReadTimeout = 3*time.Second, 3*time.Second
	case "A request that can be read in two ways is served":
		ln = lenient{ln}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return "http://" + ln.Addr().String()
}

// scan attacks a service that has one weakness. Whether a server is slow is
// asked only of those that this is about: the others wait a minute, so that
// they do not hang up on us when the machine is busy.
func scan(t *testing.T, weak string) []attack.Finding {
	t.Helper()
	h, target := newWeakServer(t, weak)
	target.URL = serve(t, h, weak)
	if strings.HasPrefix(weak, "A slow ") {
		slow := attack.Target{URL: target.URL, Timeouts: 10 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write}
		target = slow
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	return findings
}

func TestAServerThatGivesUpOnSlowClientsGivesNoFinding(t *testing.T) {
	h, target := newWeakServer(t, "")
	findings, err := attack.Scan(t.Context(), attack.Target{URL: serve(t, h, ""), Timeouts: 20 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

func TestAServiceWithoutWeaknessesGivesNoFinding(t *testing.T) {
	h, target := newWeakServer(t, "")
	target.Handler = h
	attack.Run(t, target)
}

func TestAHeaderThatIsRefusedEvadesNoLimit(t *testing.T) {
	h, target := newWeakServer(t, "")
	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Real-IP") != "" {
			http.Error(w, "from which proxy?", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	for _, f := range findings {
		assert.NotEqual(t, "A header evades a limit", f.Title, f)
	}
}

func TestEachWeaknessAloneGivesExactlyItsFinding(t *testing.T) {
	for _, weak := range attack.Weaknesses() {
		t.Run(weak, func(t *testing.T) {
			t.Parallel()
			findings := scan(t, weak)
			var titles []string
			for _, f := range findings {
				titles = append(titles, f.Title)
				if f.Title != weak {
					t.Log(f)
				}
				assert.NotEqual(t, "unknown", f.Severity.String())
				assert.NotEmpty(t, f.Layer)
				assert.Regexp(t, `^API\d+:2023 `, f.Top10)
				assert.NotContains(t, f.String(), "'s password\"", "secrets are replaced by their names")
			}
			require.Equal(t, []string{weak}, titles)
		})
	}
}

func TestATargetIsCheckedFirst(t *testing.T) {
	_, err := attack.Scan(t.Context(), attack.Target{})
	require.Equal(t, "URL: missing", conferrtest.Text(err))
	_, err = attack.Scan(t.Context(), attack.Target{
		URL: "ftp://x", Handler: http.NotFoundHandler(), Public: "x", Scoped: []attack.Request{{}}, Timeouts: 1, Limits: []attack.Limit{{}},
	})
	var fields []string
	for m := range rampart.Mistakes(err) {
		fields = append(fields, m.Field+" "+string(m.Reason))
	}
	slices.Sort(fields)
	assert.Equal(t, []string{"Alice missing", "Bob missing", "Limits invalid", "Public invalid", "Timeouts pointless", "URL conflict"}, fields)
	_, err = attack.Scan(t.Context(), attack.Target{URL: "http://user@host/path"})
	require.ErrorContains(t, err, "URL: invalid")

	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, err = attack.Scan(t.Context(), attack.Target{URL: srv.URL})
	require.ErrorContains(t, err, "nothing answers")
}

func TestAnEndedContextEndsTheScan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, target := newWeakServer(t, "")
	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		h.ServeHTTP(w, r)
	})
	_, err := attack.Scan(ctx, target)
	require.ErrorIs(t, err, context.Canceled)
}
