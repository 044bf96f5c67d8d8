package apikey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

const prefix = "eco_test"

// records collects log lines.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (rs *records) Write(b []byte) (int, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.buf.Write(b)
}

func (rs *records) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(rs, nil)) }

func (rs *records) String() string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.buf.String()
}

func (rs *records) all(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(rs.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		all = append(all, m)
	}
	return all
}

func (rs *records) last(t *testing.T) map[string]any {
	t.Helper()
	all := rs.all(t)
	require.NotEmpty(t, all)
	return all[len(all)-1]
}

// spyStore counts the calls of a store and can be told to fail.
type spyStore struct {
	apikey.Store
	lookups, writes, touches atomic.Int64
	broken                   atomic.Bool
	before                   func(method string) // called ahead of Rotate
	after                    func(method string) // called behind Lookup
}

var errDown = errors.New("connection refused")

func (s *spyStore) fail() error {
	if s.broken.Load() {
		return errDown
	}
	return nil
}

func (s *spyStore) Insert(ctx context.Context, k apikey.Key, hash []byte) error {
	s.writes.Add(1)
	return errors.Join(s.fail(), ifUp(s, func() error { return s.Store.Insert(ctx, k, hash) }))
}

func ifUp(s *spyStore, f func() error) error {
	if s.broken.Load() {
		return nil
	}
	return f()
}

func (s *spyStore) Lookup(ctx context.Context, id string) (apikey.Key, []byte, error) {
	s.lookups.Add(1)
	if err := s.fail(); err != nil {
		return apikey.Key{}, nil, err
	}
	k, hash, err := s.Store.Lookup(ctx, id)
	if s.after != nil {
		s.after("Lookup")
	}
	return k, hash, err
}

func (s *spyStore) UpdateHash(ctx context.Context, id string, old, hash []byte) error {
	s.writes.Add(1)
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.UpdateHash(ctx, id, old, hash)
}

func (s *spyStore) Rotate(ctx context.Context, old string, expires time.Time, next apikey.Key, hash []byte) error {
	s.writes.Add(1)
	if s.before != nil {
		s.before("Rotate")
	}
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Rotate(ctx, old, expires, next, hash)
}

func (s *spyStore) Revoke(ctx context.Context, id string, at time.Time) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Revoke(ctx, id, at)
}

func (s *spyStore) RevokeOwner(ctx context.Context, owner string, at time.Time) ([]string, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.RevokeOwner(ctx, owner, at)
}

func (s *spyStore) Touch(ctx context.Context, used map[string]time.Time) error {
	s.touches.Add(1)
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Touch(ctx, used)
}

func (s *spyStore) List(ctx context.Context, f apikey.Filter) ([]apikey.Key, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, f)
}

// fixture is a Keys on a memory store that is spied on.
type fixture struct {
	*apikey.Keys
	store *spyStore
	log   *records
}

func newFixture(tb testing.TB, change ...func(*apikey.Config)) fixture {
	tb.Helper()
	f := fixture{store: &spyStore{Store: apikey.NewMemoryStore()}, log: new(records)}
	cfg := apikey.Config{Store: f.store, Prefix: prefix, Logger: f.log.logger()}
	for _, c := range change {
		c(&cfg)
	}
	keys, err := apikey.New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = keys.Close() })
	f.Keys = keys
	return f
}

// make creates a key of alice's and returns it with its text.
func (f fixture) make(tb testing.TB, change ...func(*apikey.Key)) (apikey.Key, string) {
	tb.Helper()
	in := apikey.Key{Name: "import", Owner: "alice", Scopes: []string{"products:write", "customers:read"}}
	for _, c := range change {
		c(&in)
	}
	k, secret, err := f.Create(tb.Context(), in)
	require.NoError(tb, err)
	return k, secret.Reveal()
}

// reason returns the reason of an [*apikey.Error], or "".
func reason(err error) rampart.Denial {
	if e, ok := errors.AsType[*apikey.Error](err); ok {
		return e.Reason
	}
	return ""
}

var anywhere netip.Addr

// spy is a next handler that notes who reached it.
type spy struct {
	calls  int
	caller *apikey.Caller
}

func (s *spy) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.calls++
	s.caller, _ = apikey.FromContext(r.Context())
}
