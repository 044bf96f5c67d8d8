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
	"github.com/ecolaura/rampart/internal/weak"
)

// newWeak is the service with some weaknesses.
func newWeak(t *testing.T, ids ...string) *weak.Server {
	t.Helper()
	s, err := weak.New(t.Context(), weak.Config{Weak: ids})
	require.NoError(t, err)
	return s
}

// serve runs it.
func serve(t *testing.T, s *weak.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return "http://" + ln.Addr().String()
}

// scan attacks a service that has one weakness, as programs use it and as browsers
// do. Whether a server is slow is asked only of those that this is about.
func scan(t *testing.T, id string) []attack.Finding {
	t.Helper()
	s := newWeak(t, id)
	target, browsers := s.Target(), s.CookieTarget()
	target.URL = serve(t, s)
	browsers.URL = target.URL
	if strings.HasPrefix(id, "slow-") {
		target = attack.Target{URL: target.URL, Timeouts: 10 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write}
	}
	if slices.Contains([]string{"csrf", "session-fixed", "session-after-logout"}, id) {
		target = browsers
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	return findings
}

func TestAServerThatGivesUpOnSlowClientsGivesNoFinding(t *testing.T) {
	s := newWeak(t)
	target := s.Target()
	findings, err := attack.Scan(t.Context(), attack.Target{URL: serve(t, s), Timeouts: 20 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

func TestAServiceWithoutWeaknessesGivesNoFinding(t *testing.T) {
	s := newWeak(t)
	for _, target := range []attack.Target{s.Target(), s.CookieTarget()} {
		target.Handler = s
		attack.Run(t, target)
	}
}

func TestAHeaderThatIsRefusedEvadesNoLimit(t *testing.T) {
	s := newWeak(t)
	target := s.Target()
	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Real-IP") != "" {
			http.Error(w, "from which proxy?", http.StatusForbidden)
			return
		}
		s.ServeHTTP(w, r)
	})
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	for _, f := range findings {
		assert.NotEqual(t, "A header evades a limit", f.Title, f)
	}
}

func TestEachWeaknessAloneGivesExactlyItsFinding(t *testing.T) {
	require.GreaterOrEqual(t, len(attack.Weaknesses()), 75)
	for _, w := range attack.Weaknesses() {
		t.Run(w.ID, func(t *testing.T) {
			t.Parallel()
			findings := scan(t, w.ID)
			var found []string
			for _, f := range findings {
				found = append(found, f.ID)
				if f.ID != w.ID {
					t.Log(f)
				}
				assert.NotEqual(t, "unknown", f.Severity.String())
				assert.NotEmpty(t, f.Layer)
				assert.Regexp(t, `^API\d+:2023 `, f.Top10)
				assert.NotContains(t, f.String(), "'s password\"", "secrets are replaced by their names")
			}
			slices.Sort(found)
			require.Equal(t, []string{w.ID}, slices.Compact(found))
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
	s := newWeak(t)
	target := s.Target()
	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		s.ServeHTTP(w, r)
	})
	_, err := attack.Scan(ctx, target)
	require.ErrorIs(t, err, context.Canceled)
}
