package incident_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/incident"
)

func newLockdown(t *testing.T, cfg incident.LockdownConfig) (*incident.Lockdown, *service) {
	t.Helper()
	cfg.Open = []string{"/healthz", "/ops/*"}
	l, err := incident.NewLockdown(cfg)
	require.NoError(t, err)
	return l, newService(t, func(c *incident.Config) { c.Lockdown = l })
}

func status(l *incident.Lockdown, method, path, addr string) (int, http.Header) {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.RemoteAddr = path, addr+":1"
	w := httptest.NewRecorder()
	l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w.Code, w.Header()
}

func TestALockdownClosesTheService(t *testing.T) {
	l, s := newLockdown(t, incident.LockdownConfig{})
	list := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		desc, method, path, addr string
		off, readOnly, deny      int
	}{
		{"a listed address reads", "GET", "/shop", "192.0.2.7", 204, 204, 204},
		{"a listed address in IPv6 form reads", "GET", "/shop", "[::ffff:192.0.2.7]", 204, 204, 204},
		{"a listed address writes", "POST", "/shop", "192.0.2.7", 204, 503, 204},
		{"another one reads", "GET", "/shop", "198.51.100.7", 204, 204, 503},
		{"another one asks for the headers", "HEAD", "/shop", "198.51.100.7", 204, 204, 503},
		{"a page asks whether it may", "OPTIONS", "/shop", "198.51.100.7", 204, 204, 503},
		{"another one writes", "PUT", "/shop", "198.51.100.7", 204, 503, 503},
		{"a method of another world", "get", "/shop", "198.51.100.7", 204, 503, 503},
		{"a health check", "POST", "/healthz", "198.51.100.7", 204, 204, 204},
		{"below a health check", "POST", "/healthz/x", "198.51.100.7", 204, 503, 503},
		{"an operator", "POST", "/ops/blocks/lift/", "198.51.100.7", 204, 204, 204},
		{"through an operator's path", "POST", "/ops/../shop", "198.51.100.7", 204, 503, 503},
		{"through another one", "POST", "/ops//../shop", "198.51.100.7", 204, 503, 503},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			check := func(want int) {
				t.Helper()
				got, header := status(l, tt.method, tt.path, tt.addr)
				assert.Equal(t, want, got)
				assert.Equal(t, want == 503, header.Get("Retry-After") != "")
			}
			_, err := s.op.LiftLockdown(t.Context(), oscar)
			require.NoError(t, err)
			check(tt.off)
			_, err = s.op.LockDown(t.Context(), oscar, incident.ReadOnly, nil, soon())
			require.NoError(t, err)
			check(tt.readOnly)
			_, err = s.op.LockDown(t.Context(), oscar, incident.Deny, list, soon())
			require.NoError(t, err)
			check(tt.deny)
		})
	}
	code, _ := status(new(incident.Lockdown), "GET", "/healthz", "192.0.2.7")
	assert.Equal(t, 503, code, "the zero Lockdown")
}

func TestALockdownReachesEveryInstanceAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		instance := func() *feed.Feed {
			f, err := feed.New(t.Context(), feed.Config{Source: source})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, f.Close()) })
			return f
		}
		_, s := newLockdown(t, incident.LockdownConfig{Feed: instance()})
		other, _ := newLockdown(t, incident.LockdownConfig{Feed: instance()})
		_, err := s.op.LockDown(t.Context(), incident.By{Actor: "oscar", Note: "drill"}, incident.ReadOnly, nil, time.Now().Add(time.Hour))
		require.NoError(t, err)
		time.Sleep(501 * time.Millisecond)
		assert.Equal(t, "drill", other.State().Note)
		assert.Equal(t, "oscar", other.State().Actor)
		_, err = s.op.LockDown(t.Context(), oscar, incident.ReadOnly, nil, time.Now().Add(time.Minute))
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		late, _ := newLockdown(t, incident.LockdownConfig{Feed: instance()})
		assert.Equal(t, incident.Off, other.State().Mode)
		assert.Equal(t, incident.Off, late.State().Mode, "what was replaced does not come back with a late instance")
	})
}

func TestALockdownThatIsNotUnderstoodIsReadOnly(t *testing.T) {
	f := &fleet{}
	l, s := newLockdown(t, incident.LockdownConfig{Feed: f})
	for _, data := range []string{`{`, `{"mode":"half_open","until":"2999-01-01T00:00:00Z"}`} {
		require.NoError(t, f.Publish(t.Context(), "incident.lockdown", []byte(data), time.Hour))
		assert.Equal(t, incident.ReadOnly, l.State().Mode)
		_, err := s.op.LiftLockdown(t.Context(), oscar)
		require.NoError(t, err)
		assert.Equal(t, incident.Off, l.State().Mode)
	}
	f.fails = errors.New("down")
	_, err := s.op.LockDown(t.Context(), oscar, incident.ReadOnly, nil, soon())
	problem(t, err, 503, "unavailable")
}
