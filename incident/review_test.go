package incident_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
)

func TestAMeasureThatPanicsIsKeptAsFailed(t *testing.T) {
	s := newService(t, func(c *incident.Config) {
		c.EndSession = func(context.Context, string) (int, error) { panic("a defect") }
	})
	assert.PanicsWithValue(t, "a defect", func() { s.call("POST", "/sessions/end/", `{"session":"s1"}`, "Idempotency-Key", "k") })
	list, err := s.op.Orders(t.Context(), "", 9)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, incident.Failed, list[0].State)
	assert.Len(t, s.logs.lines(`"event":"authz_admin"`), 1)
	assert.Len(t, s.logs.lines(`"state":"failed"`), 1)
	assert.False(t, list[0].HoldsOnce(), "it may be sent again")
}

func TestNoOrderTakesLongerThanItHoldsItsOnce(t *testing.T) {
	_, err := incident.New(incident.Config{Timeout: 30 * time.Second})
	require.NoError(t, err)
	_, err = incident.New(incident.Config{Timeout: 30*time.Second + 1})
	require.Error(t, err)
}

func TestALiftedBlockThatIsSentAgainGetsTheFirstResponse(t *testing.T) {
	s := newService(t)
	s.blocked[seven] = soon()
	for range 2 {
		status, members, _ := s.call("POST", "/blocks/lift/", `{"prefix":"203.0.113.7"}`, "Idempotency-Key", "k")
		assert.Equal(t, 200, status)
		assert.Equal(t, "unblock", members["action"])
	}
	assert.Len(t, s.got(), 1)
	order, err := s.op.Unblock(t.Context(), oscar, seven)
	problem(t, err, 404, "not_found")
	assert.Equal(t, incident.Refused, order.State)
	assert.Empty(t, s.got(), "there is nothing to lift any more")
}

func TestAnotherCallerWithTheSameSubjectHasKeysOfTheirOwn(t *testing.T) {
	s := newService(t)
	for _, caller := range []rampart.Caller{
		{Kind: rampart.KindToken, Issuer: "https://a.example", Subject: "42", Scope: "ops"},
		{Kind: rampart.KindToken, Issuer: "https://b.example", Subject: "42", Scope: "ops"},
		{Kind: rampart.KindKey, Subject: "42", Scope: "ops"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/sessions/end/", strings.NewReader(`{"session":"s1"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "k")
		w := httptest.NewRecorder()
		s.op.Handler().ServeHTTP(w, r.WithContext(rampart.WithCaller(r.Context(), caller)))
		assert.Equal(t, 200, w.Code)
	}
	assert.Len(t, s.got(), 3)
}

func TestTheEventEscapesWhatTheOperatorSent(t *testing.T) {
	s := newService(t, func(c *incident.Config) {
		c.Tighten = func(context.Context, string, string, time.Time) error {
			return incident.Invalid("#/rate", "invalid", "No.")
		}
	})
	_, err := s.op.Tighten(t.Context(), oscar, "anon", "1/m\u202e"+strings.Repeat("x", 999), soon())
	require.Error(t, err)
	lines := s.logs.lines(`"event":"authz_admin"`)
	require.Len(t, lines, 1)
	assert.NotContains(t, lines[0], "\u202e")
	assert.Less(t, len(lines[0]), 700)
}

func TestWithoutItselfInTheRegistryAnInstanceCannotTellTheReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, func(c *incident.Config) {
			c.Feed, c.Instances = &fleet{}, func(context.Context) ([]rampart.Instance, error) {
				return []rampart.Instance{{ID: "b", Seq: 0}, {ID: "c", Seq: 9}}, nil
			}
		})
		order, err := s.op.EndSession(t.Context(), oscar, "s1")
		require.NoError(t, err)
		assert.Equal(t, &incident.Reach{Instances: 1}, inForce(t, order.Answer))
	})
}

func TestNoEncodedPathPassesALockdown(t *testing.T) {
	l, s := newLockdown(t, incident.LockdownConfig{})
	_, err := s.op.LockDown(t.Context(), oscar, incident.ReadOnly, nil, soon())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/orders", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /ops/orders", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for target, want := range map[string]int{"/ops/orders": 200, "/ops%2Fx/orders": 503, "/ops%2F/orders": 503, "/shop/orders": 503} {
		w := httptest.NewRecorder()
		l.Handler(mux).ServeHTTP(w, httptest.NewRequest(http.MethodPost, target, nil))
		assert.Equal(t, want, w.Code, target)
	}
}

func TestALockdownThatLeavesEverythingOpenIsAMistake(t *testing.T) {
	_, err := incident.NewLockdown(incident.LockdownConfig{Open: []string{"/*"}})
	require.Error(t, err)
}

func TestALockdownSharesNoListWithItsCallers(t *testing.T) {
	l, s := newLockdown(t, incident.LockdownConfig{})
	all := netip.MustParsePrefix("0.0.0.0/0")
	list := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	_, err := s.op.LockDown(t.Context(), oscar, incident.Deny, list, soon())
	require.NoError(t, err)
	list[0] = all
	l.State().Allow[0] = all
	code, _ := status(l, "GET", "/shop", "198.51.100.7")
	assert.Equal(t, 503, code)
}

func TestALockdownEndsWithItsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		l, _ := newLockdown(t, incident.LockdownConfig{Feed: f})
		data, _ := json.Marshal(incident.LockdownState{Mode: "half_open", Until: time.Now().Add(1e6 * time.Hour)})
		require.NoError(t, f.Publish(t.Context(), "incident.lockdown", data, time.Hour))
		assert.Equal(t, incident.ReadOnly, l.State().Mode)
		time.Sleep(time.Hour)
		assert.Equal(t, incident.Off, l.State().Mode)
	})
}

func TestAPendingKeyFromBeforeALeakIsNotUsedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, k := &fleet{}, &keyring{}
		r := k.rotation(t, f)
		_, err := r.Rotate(t.Context(), time.Hour) // k1 stays pending
		problem(t, err, 409, "instances_behind")
		id, err := r.Rotate(t.Context(), 0) // leaked, and k1 perhaps, too
		require.NoError(t, err)
		require.Equal(t, "k2", id)
		f.lag = time.Millisecond
		id, err = r.Rotate(t.Context(), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, "k3", id)
		time.Sleep(time.Second)
	})
}

func TestAPendingKeyThatCannotBeTakenKeepsNobodyFromRotating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{lag: time.Millisecond}
		k := &keyring{rows: []incident.SealedKey{{Kind: "signing", ID: "pending", Sealed: "by a key that is gone"}}}
		cfg := k.config(f)
		take := cfg.Take
		cfg.Take = func(key incident.SealedKey) error {
			if key.ID == "pending" {
				return assert.AnError
			}
			return take(key)
		}
		r, err := incident.NewRotation(t.Context(), cfg)
		require.NoError(t, err)
		id, err := r.Rotate(t.Context(), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, "k1", id)
		time.Sleep(time.Second)
	})
}
