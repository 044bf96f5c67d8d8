package console_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/console"
)

// service is a service of three instances, whose layers are functions of the test.
type service struct {
	t         *testing.T
	recorder  *console.Recorder
	log       *slog.Logger
	console   *console.Console
	backends  []console.Backend
	instances func() ([]rampart.Instance, error)
	failing   error // of the sessions and the audit
	scope     string
	orders    *incident.MemoryStore

	mu     sync.Mutex
	blocks map[netip.Prefix]time.Time
}

// store is an audit trail that may fail.
type store struct {
	incident.Store
	s *service
}

func (st store) List(ctx context.Context, before string, limit int) ([]incident.Order, error) {
	if st.s.failing != nil {
		return nil, st.s.failing
	}
	return st.Store.List(ctx, before, limit)
}

func (s *service) eachBlock() iter.Seq2[netip.Prefix, time.Time] {
	return func(yield func(netip.Prefix, time.Time) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for p, until := range s.blocks {
			if !yield(p, until) {
				return
			}
		}
	}
}

func started(t *testing.T, change func(*console.Config)) *service {
	t.Helper()
	s := &service{t: t, scope: "ops", blocks: map[netip.Prefix]time.Time{}, orders: incident.NewMemoryStore(0)}
	s.recorder = console.NewRecorder(slog.DiscardHandler)
	s.log = slog.New(s.recorder)
	begun := time.Now()
	s.instances = func() ([]rampart.Instance, error) {
		now := time.Now()
		return []rampart.Instance{{ID: "api-1", Version: "1.0", Started: begun, Seen: now, Seq: 12345, Self: true}, {ID: "api-2", Started: begun, Seen: now, Seq: 12345}}, nil
	}
	lockdown, err := incident.NewLockdown(incident.LockdownConfig{Open: []string{"/ops/*"}})
	require.NoError(t, err)
	rate := incident.Rate{Policy: "anon", Rate: "100/hour", Configured: "100/hour"}
	operator, err := incident.New(incident.Config{
		EndSession: func(_ context.Context, id string) (int, error) { return strings.Count("s1", id), nil },
		EndSubject: func(context.Context, string) (int, error) { return 1, s.failing },
		EndAll:     func(context.Context, time.Time) error { return nil },
		Sessions: func(context.Context, string) ([]incident.Session, error) {
			return []incident.Session{{ID: "s1", Device: "<script>alert(1)</script>"}}, s.failing
		},
		RevokeKey:   func(context.Context, string) (int, error) { return 1, nil },
		RevokeOwner: func(context.Context, string) (int, error) { return 1, nil },
		Keys: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if s.failing != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, `[{"id":"k1","name":"<b>crm</b>"}]`)
		}),
		Block: func(_ context.Context, p netip.Prefix, until time.Time) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.blocks[p] = until
			return nil
		},
		Unblock: func(_ context.Context, p netip.Prefix) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.blocks, p)
			return nil
		},
		Blocks: s.eachBlock,
		Tighten: func(_ context.Context, _, to string, until time.Time) error {
			rate.Rate, rate.Until = to, until
			return nil
		},
		Loosen: func(context.Context, string) error { rate.Rate, rate.Until = rate.Configured, time.Time{}; return nil },
		Rates:  func() []incident.Rate { return []incident.Rate{rate} },
		Limited: func(string, int) []incident.Limited {
			return []incident.Limited{{Key: "203.0.113.8", Count: 3, Last: time.Now()}}
		},
		RotateSigningKey: func(context.Context, time.Duration) (string, error) { return "kid", nil },
		RotateFieldKey:   func(context.Context) (string, error) { return "fid", nil },
		Lockdown:         lockdown,
		Instances:        func(context.Context) ([]rampart.Instance, error) { return s.instances() },
		Orders:           store{s.orders, s}, Logger: s.log,
	})
	require.NoError(t, err)
	cfg := console.Config{
		API: operator.Handler(), Recorder: s.recorder, Path: "/console/", Service: "<shop>", LogIn: "/login", LogOut: "/logout",
		Protect: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s.scope == "" {
					next.ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r.WithContext(rampart.WithCaller(r.Context(), rampart.Caller{Kind: "token", Subject: "7", Scope: s.scope})))
			})
		},
		Backends: func(context.Context) []console.Backend { return append([]console.Backend{}, s.backends...) },
		Keys: func(context.Context) []console.Key {
			return []console.Key{{Use: "signing", ID: "<i>k</i>", State: "signs", Next: "rotate", Progress: "half"}}
		},
		Names:  func(context.Context, string) string { return "oscar" },
		Logger: s.log,
	}
	if change != nil {
		change(&cfg)
	}
	s.console, err = console.New(cfg)
	require.NoError(t, err)
	return s
}

func (s *service) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.console.ServeHTTP(w, r)
	return w
}

// get returns a page.
func (s *service) get(path string) string {
	s.t.Helper()
	w := s.do(httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(s.t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

// send sends a form, as "name", "value", ….
func (s *service) send(path string, pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r)
}

// refused logs a request that a layer refuses.
func (s *service) refused(e rampart.Event, attrs ...any) {
	s.log.Warn(string(e), append([]any{"event", string(e), "method", "GET", "path", "/x"}, attrs...)...)
}

var errAway = errors.New("the database is away")
