package incident_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
)

// service is what an operator is wired to in these tests: it remembers what was asked.
type service struct {
	t    *testing.T
	cfg  incident.Config
	op   *incident.Operator
	logs *logs

	mu      sync.Mutex
	asked   []string
	fails   error // of every measure
	blocked map[netip.Prefix]time.Time
}

type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) lines(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

func (s *service) ask(parts ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, strings.Join(parts, " "))
	return s.fails
}

// newService has every measure; alice has two sessions and a key.
func newService(t *testing.T, change ...func(*incident.Config)) *service {
	t.Helper()
	s := &service{t: t, logs: &logs{}, blocked: map[netip.Prefix]time.Time{}}
	known := func(id string, n int) int {
		if strings.Contains(id, "nobody") {
			return 0
		}
		return n
	}
	lockdown, err := incident.NewLockdown(incident.LockdownConfig{Open: []string{"/ops/*"}})
	require.NoError(t, err)
	s.cfg = incident.Config{
		EndSession: func(_ context.Context, id string) (int, error) { return known(id, 1), s.ask("end session", id) },
		EndSubject: func(_ context.Context, subject string) (int, error) {
			return known(subject, 2), s.ask("end subject", subject)
		},
		EndAll: func(_ context.Context, before time.Time) error {
			return s.ask("end all", before.Format(time.RFC3339))
		},
		Sessions: func(_ context.Context, subject string) ([]incident.Session, error) {
			return []incident.Session{{ID: "s1", Device: "curl/8", Began: time.Unix(1, 0).UTC()}}, s.ask("sessions", subject)
		},
		RevokeKey: func(_ context.Context, id string) (int, error) { return known(id, 1), s.ask("revoke key", id) },
		RevokeOwner: func(_ context.Context, owner string) (int, error) {
			return known(owner, 3), s.ask("revoke owner", owner)
		},
		Keys: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path+"?"+r.URL.RawQuery)
		}),
		Block: func(_ context.Context, p netip.Prefix, until time.Time) error {
			s.blocked[p] = until
			return s.ask("block", p.String())
		},
		Unblock: func(_ context.Context, p netip.Prefix) error {
			delete(s.blocked, p)
			return s.ask("unblock", p.String())
		},
		Blocks: func() iter.Seq2[netip.Prefix, time.Time] {
			return func(yield func(netip.Prefix, time.Time) bool) {
				for p, until := range s.blocked {
					if !yield(p, until) {
						return
					}
				}
			}
		},
		Tighten: func(_ context.Context, policy, rate string, _ time.Time) error { return s.ask("tighten", policy, rate) },
		Loosen:  func(_ context.Context, policy string) error { return s.ask("loosen", policy) },
		Rates: func() []incident.Rate {
			return []incident.Rate{{Policy: "anon", Rate: "100/h", Configured: "100/h"}, {Policy: "user", Rate: "1/h", Configured: "9/h", Until: time.Unix(9, 0).UTC()}}
		},
		Limited: func(policy string, n int) []incident.Limited {
			if policy != "anon" {
				return nil
			}
			return []incident.Limited{{Key: "192.0.2.7", Count: n, Last: time.Unix(5, 0).UTC()}}
		},
		RotateSigningKey: func(_ context.Context, overlap time.Duration) (string, error) {
			return "k2", s.ask("rotate signing", overlap.String())
		},
		RotateFieldKey: func(context.Context) (string, error) { return "f2", s.ask("rotate field") },
		Lockdown:       lockdown,
		State:          func() map[string]any { return map[string]any{"queue": 7} },
		Metrics:        http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		Logger:         slog.New(slog.NewJSONHandler(s.logs, nil)),
	}
	for _, f := range change {
		f(&s.cfg)
	}
	s.op, err = incident.New(s.cfg)
	require.NoError(t, err)
	return s
}

// got returns what was asked since the last call.
func (s *service) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

var oscar = incident.By{Actor: "oscar"}

// call sends a request of oscar's, and returns the status and the members of the
// response.
func (s *service) call(method, path, body string, header ...string) (int, map[string]any, http.Header) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr = "198.51.100.5:1"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r = r.WithContext(rampart.WithCaller(r.Context(), rampart.Caller{Kind: rampart.KindToken, Subject: "oscar", Scope: "ops"}))
	w := httptest.NewRecorder()
	s.op.Handler().ServeHTTP(w, r)
	var members map[string]any
	if w.Body.Len() > 0 && strings.Contains(w.Header().Get("Content-Type"), "json") {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &members), w.Body.String())
	} else {
		members = map[string]any{"text": w.Body.String()}
	}
	return w.Code, members, w.Header()
}

// problem asserts what an error tells an operator.
func problem(t *testing.T, err error, status int, code string) *rampart.Problem {
	t.Helper()
	p, ok := errors.AsType[*rampart.Problem](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, status, p.Status)
	got := p.Code
	if len(p.Errors) > 0 {
		got = p.Errors[0].Code
	}
	assert.Equal(t, code, got)
	return p
}
