package attack_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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

// scan attacks a service that has these weaknesses, as programs use it and as browsers
// do. Whether a server is slow is asked only of those that this is about.
func scan(t *testing.T, ids ...string) []attack.Finding {
	t.Helper()
	s := newWeak(t, ids...)
	target, browsers := s.Target(), s.CookieTarget()
	target.URL = serve(t, s)
	browsers.URL = target.URL
	if strings.HasPrefix(ids[0], "slow-") {
		target = attack.Target{URL: target.URL, Timeouts: 10 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write}
	}
	if slices.Contains([]string{"csrf", "session-fixed", "session-after-logout"}, ids[0]) {
		target = browsers
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	return findings
}

// exactly holds the findings of a scan against what the service is weak in.
func exactly(t *testing.T, ids []string) {
	t.Helper()
	var found []string
	for _, f := range scan(t, ids...) {
		found = append(found, f.ID)
		if !slices.Contains(ids, f.ID) {
			t.Log(f)
		}
		assert.NotEqual(t, "unknown", f.Severity.String())
		assert.NotEmpty(t, f.Layer)
		assert.Regexp(t, `^API\d+:2023 `, f.Top10)
		assert.NotContains(t, f.String(), "'s password\"", "secrets are replaced by their names")
	}
	slices.Sort(found)
	require.Equal(t, slices.Sorted(slices.Values(ids)), slices.Compact(found))
}

// alone are the weaknesses that hide others, or are asked for in another way.
var alone = []string{ // read-only
	"slow-header", "slow-body", "csrf", "session-fixed", "session-after-logout", "no-token", "owner-locked-out",
	"compressed-body", "cors-vary", "header-injection", "mass-assignment",
}

func TestAServerThatGivesUpOnSlowClientsGivesNoFinding(t *testing.T) {
	t.Parallel()
	s := newWeak(t)
	target := s.Target()
	findings, err := attack.Scan(t.Context(), attack.Target{URL: serve(t, s), Timeouts: 20 * time.Second, Header: target.Header, Alice: target.Alice, Write: target.Write})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

func TestAServiceWithoutWeaknessesGivesNoFinding(t *testing.T) {
	t.Parallel()
	s := newWeak(t)
	for _, target := range []attack.Target{s.Target(), s.CookieTarget()} {
		target.Handler = s
		attack.Run(t, target)
	}
}

func TestAHeaderThatIsRefusedEvadesNoLimit(t *testing.T) {
	t.Parallel()
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
	for _, w := range attack.Weaknesses() {
		if os.Getenv("RAMPART_BARS") == "1" || slices.Contains(alone, w.ID) { // the others: below
			t.Run(w.ID, func(t *testing.T) {
				t.Parallel()
				exactly(t, []string{w.ID})
			})
		}
	}
}

// TestWeaknessesSideBySideGiveTheirFindings saves nine scans of ten. What stands next to
// each other in the list is alike, and often hides the other: a group takes each tenth.
func TestWeaknessesSideBySideGiveTheirFindings(t *testing.T) {
	all := attack.Weaknesses()
	require.GreaterOrEqual(t, len(all), 75)
	const groups = 10
	var ids [groups][]string
	n := 0
	for _, w := range all {
		if !slices.Contains(alone, w.ID) {
			ids[n%groups] = append(ids[n%groups], w.ID)
			n++
		}
	}
	for _, group := range ids {
		t.Run(group[0], func(t *testing.T) {
			t.Parallel()
			exactly(t, group)
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
