package incident_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

var (
	seven = netip.MustParsePrefix("203.0.113.7/32")
	soon  = func() time.Time { return time.Now().Add(time.Hour) }
)

// orders are all the orders, as Go calls.
var orders = []struct {
	action string
	give   func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error)
	asks   string
	answer string // its members beside id and times
}{
	{"end_session", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.EndSession(ctx, by, "s1")
	}, "end session s1", `"ended":1,"target":"s1"`},
	{"end_subject", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.EndSubject(ctx, by, "alice")
	}, "end subject alice", `"ended":2,"target":"alice"`},
	{"end_all", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.EndAll(ctx, by, time.Unix(1e9, 0).UTC())
	}, "end all 2001-09-09T01:46:40Z", `"before":"2001-09-09T01:46:40Z"`},
	{"revoke_key", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.RevokeKey(ctx, by, "k1")
	}, "revoke key k1", `"revoked":1,"target":"k1"`},
	{"revoke_owner", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.RevokeOwner(ctx, by, "alice")
	}, "revoke owner alice", `"revoked":3,"target":"alice"`},
	{"block", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.Block(ctx, by, seven, soon())
	}, "block 203.0.113.7/32", `"target":"203.0.113.7/32","until":"TIME"`},
	{"unblock", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.Unblock(ctx, by, seven)
	}, "unblock 203.0.113.7/32", `"target":"203.0.113.7/32"`},
	{"tighten", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.Tighten(ctx, by, "user", "60/minute", soon())
	}, "tighten user 60/minute", `"rate":"1/h","target":"user","until":"TIME"`},
	{"loosen", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.Loosen(ctx, by, "user")
	}, "loosen user", `"target":"user"`},
	{"lockdown", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.LockDown(ctx, by, incident.ReadOnly, nil, soon())
	}, "", `"mode":"read_only","until":"TIME"`},
	{"lift_lockdown", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.LiftLockdown(ctx, by)
	}, "", ``},
	{"rotate_signing_key", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.RotateSigningKey(ctx, by, time.Hour)
	}, "rotate signing 1h0m0s", `"kid":"k2","old_until":"TIME"`},
	{"rotate_field_key", func(ctx context.Context, o *incident.Operator, by incident.By) (incident.Order, error) {
		return o.RotateFieldKey(ctx, by)
	}, "rotate field", `"key":"f2"`},
}

func TestEachOrderIsCarriedOutToldKeptAndAnEvent(t *testing.T) {
	s := newService(t)
	for _, tt := range orders {
		t.Run(tt.action, func(t *testing.T) {
			if tt.action == "unblock" {
				s.blocked[seven] = soon()
			}
			order, err := tt.give(t.Context(), s.op, incident.By{Actor: "oscar", Note: "case 7"})
			require.NoError(t, err)
			assert.Equal(t, strings.TrimSpace(tt.asks), strings.Join(s.got(), ";"))
			assert.Equal(t, incident.Done, order.State)

			var members map[string]any
			require.NoError(t, json.Unmarshal(order.Answer, &members))
			assert.Equal(t, order.ID, members["id"])
			delete(members, "id")
			want := fmt.Sprintf(`{"action":%q`, tt.action)
			if tt.answer != "" {
				want += "," + tt.answer
			}
			for _, name := range []string{"until", "old_until"} {
				if _, ok := members[name]; ok {
					members[name] = "TIME"
				}
			}
			got, _ := json.Marshal(members)
			assert.JSONEq(t, want+"}", string(got))

			kept, err := s.op.Order(t.Context(), order.ID)
			require.NoError(t, err)
			assert.Equal(t, order, kept)
			assert.Equal(t, "oscar", kept.Actor)
			assert.Equal(t, "case 7", kept.Note)

			lines := s.logs.lines(order.ID)
			require.Len(t, lines, 1)
			for _, part := range []string{`"event":"authz_admin"`, `"actor":"oscar"`, `"action":"` + tt.action + `"`, `"note":"case 7"`} {
				assert.Contains(t, lines[0], part)
			}
			assert.NotContains(t, lines[0], `"state"`)
		})
	}
}

func TestWhatCannotBeOrderedIsNotCarriedOut(t *testing.T) {
	s := newService(t)
	ctx, own := t.Context(), incident.By{Actor: "oscar", Addr: netip.MustParseAddr("::ffff:203.0.113.7")}
	ofOrder := func(_ incident.Order, err error) error { return err }
	for _, tt := range []struct {
		desc   string
		err    error
		status int
		code   string
	}{
		{"nobody orders it", ofOrder(s.op.EndSession(ctx, incident.By{}, "s1")), 422, "actor"},
		{"a long note", ofOrder(s.op.EndSession(ctx, incident.By{Actor: "oscar", Note: strings.Repeat("ü", 201)}, "s1")), 422, "max"},
		{"no target", ofOrder(s.op.EndSubject(ctx, oscar, "")), 422, "required"},
		{"no session", ofOrder(s.op.EndSession(ctx, oscar, "")), 422, "invalid"},
		{"a whole token", ofOrder(s.op.EndSession(ctx, oscar, "eyJhbGciOiJIUzI1NiJ9.e30.c2ln")), 422, "invalid"},
		{"a whole key", ofOrder(s.op.RevokeKey(ctx, oscar, "eco_live_0VbtDsX0fJTRorZL_"+strings.Repeat("s", 26))), 422, "invalid"},
		{"a key of Django's", ofOrder(s.op.RevokeKey(ctx, oscar, "abcdefgh."+strings.Repeat("s", 32))), 422, "invalid"},
		{"a long id", ofOrder(s.op.EndSession(ctx, oscar, strings.Repeat("a", 65))), 422, "invalid"},
		{"a long subject", ofOrder(s.op.EndSubject(ctx, oscar, strings.Repeat("a", 257))), 422, "invalid"},
		{"a subject of control characters", ofOrder(s.op.RevokeOwner(ctx, oscar, "a\x00b")), 422, "invalid"},
		{"a subject that is no text", ofOrder(s.op.RevokeOwner(ctx, oscar, "a\xff")), 422, "invalid"},
		{"a time to come", ofOrder(s.op.EndAll(ctx, oscar, time.Now().Add(time.Hour))), 422, "invalid"},
		{"no prefix", ofOrder(s.op.Block(ctx, oscar, netip.Prefix{}, soon())), 422, "invalid"},
		{"their own address", ofOrder(s.op.Block(ctx, own, netip.MustParsePrefix("203.0.113.0/24"), soon())), 422, "own_address"},
		{"a past end", ofOrder(s.op.Block(ctx, oscar, seven, time.Now())), 422, "invalid"},
		{"an end in two months", ofOrder(s.op.Block(ctx, oscar, seven, time.Now().Add(60*24*time.Hour))), 422, "invalid"},
		{"an unknown policy", ofOrder(s.op.Tighten(ctx, oscar, "nope", "1/h", soon())), 404, "not_found"},
		{"an unknown policy is loosened", ofOrder(s.op.Loosen(ctx, oscar, "nope")), 404, "not_found"},
		{"an unknown mode", ofOrder(s.op.LockDown(ctx, oscar, "panic", nil, soon())), 422, "invalid"},
		{"off is no lockdown", ofOrder(s.op.LockDown(ctx, oscar, incident.Off, nil, soon())), 422, "invalid"},
		{"deny without a list", ofOrder(s.op.LockDown(ctx, oscar, incident.Deny, nil, soon())), 422, "invalid"},
		{"read_only with a list", ofOrder(s.op.LockDown(ctx, oscar, incident.ReadOnly, []netip.Prefix{seven}, soon())), 422, "invalid"},
		{"a negative overlap", ofOrder(s.op.RotateSigningKey(ctx, oscar, -1)), 422, "invalid"},
		{"an overlap of a year", ofOrder(s.op.RotateSigningKey(ctx, oscar, 9000*time.Hour)), 422, "invalid"},
	} {
		t.Run(tt.desc, func(t *testing.T) { problem(t, tt.err, tt.status, tt.code) })
	}
	assert.Empty(t, s.got())
	assert.Equal(t, incident.Off, s.cfg.Lockdown.State().Mode)
	list, err := s.op.Orders(ctx, "", 10)
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestATargetThatNobodyKnowsIsToldAndKept(t *testing.T) {
	s := newService(t)
	for action, give := range map[string]func() (incident.Order, error){
		"end_session":  func() (incident.Order, error) { return s.op.EndSession(t.Context(), oscar, "nobody") },
		"end_subject":  func() (incident.Order, error) { return s.op.EndSubject(t.Context(), oscar, "nobody") },
		"revoke_key":   func() (incident.Order, error) { return s.op.RevokeKey(t.Context(), oscar, "nobody") },
		"revoke_owner": func() (incident.Order, error) { return s.op.RevokeOwner(t.Context(), oscar, "nobody") },
	} {
		order, err := give()
		p := problem(t, err, 404, "not_found")
		assert.Equal(t, order.ID, p.Extensions["id"])
		assert.Len(t, p.Extensions, 2, "the count, too")
		kept, err := s.op.Order(t.Context(), order.ID)
		require.NoError(t, err)
		assert.Equal(t, incident.Unknown, kept.State)
		assert.Equal(t, action, kept.Action)
		assert.Contains(t, s.logs.lines(order.ID)[0], `"state":"unknown"`)
	}
}

func TestAMeasureThatFailsIsToldAndKept(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		err    error
		state  incident.State
		status int
		code   string
	}{
		{"its backend is down", errors.New("dial tcp 10.0.0.7: refused"), incident.Failed, 503, "unavailable"},
		{"a layer would not have it", fmt.Errorf("wide: %w", &rampart.Problem{Status: http.StatusConflict, Code: "too_many_blocks"}), incident.Refused, 409, "too_many_blocks"},
		{"a refusal that is not about the order", &rampart.Problem{Status: http.StatusUnauthorized, Code: "authentication_failed"}, incident.Failed, 503, "unavailable"},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			s := newService(t)
			s.fails = tt.err
			by := incident.By{Actor: "oscar", Once: "once"}
			order, err := s.op.Block(t.Context(), by, seven, soon())
			p := problem(t, err, tt.status, tt.code)
			assert.NotContains(t, fmt.Sprint(p.Detail, p.Extensions), "10.0.0.7")
			kept, err := s.op.Order(t.Context(), order.ID)
			require.NoError(t, err)
			assert.Equal(t, tt.state, kept.State)
			assert.Contains(t, s.logs.lines(`"authz_admin"`)[0], `"state":"`+string(tt.state)+`"`)

			s.fails = nil
			again, err := s.op.Block(t.Context(), by, seven, soon())
			require.NoError(t, err, "it can be sent again, with the same key")
			assert.NotEqual(t, order.ID, again.ID)
			assert.Len(t, s.got(), 2)
		})
	}
}

func TestAnOrderWithAKeyIsGivenOnce(t *testing.T) {
	s := newService(t)
	by := incident.By{Actor: "oscar", Once: "9f"}
	first, err := s.op.RotateFieldKey(t.Context(), by)
	require.NoError(t, err)
	again, err := s.op.RotateFieldKey(t.Context(), by)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Equal(t, []string{"rotate field"}, s.got())

	_, err = s.op.EndSubject(t.Context(), by, "alice")
	p := problem(t, err, 422, "idempotency_key_reused")
	assert.Equal(t, first.ID, p.Extensions["id"])
	assert.Empty(t, s.got())

	_, err = s.op.EndSubject(t.Context(), incident.By{Actor: "olga", Once: "9f"}, "alice")
	require.NoError(t, err, "somebody else's key")
	_, err = s.op.RotateFieldKey(t.Context(), oscar)
	require.NoError(t, err, "without a key")
	assert.Equal(t, []string{"end subject alice", "rotate field"}, s.got())
}

func TestAnOrderThatIsBeingCarriedOutIsNotGivenAgain(t *testing.T) {
	running, end := make(chan struct{}), make(chan struct{})
	s := newService(t, func(c *incident.Config) {
		c.RotateFieldKey = func(context.Context) (string, error) { close(running); <-end; return "f2", nil }
	})
	by, done := incident.By{Actor: "oscar", Once: "9f"}, make(chan error)
	go func() { _, err := s.op.RotateFieldKey(t.Context(), by); done <- err }()
	<-running
	_, err := s.op.RotateFieldKey(t.Context(), by)
	assert.Equal(t, "1", problem(t, err, 409, "in_progress").Header.Get("Retry-After"))
	close(end)
	require.NoError(t, <-done)
}

func TestAnOrderGoesOnThoughItsClientLeaves(t *testing.T) {
	s := newService(t, func(c *incident.Config) {
		c.EndSession = func(ctx context.Context, _ string) (int, error) { return 1, ctx.Err() }
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	order, err := s.op.EndSession(ctx, oscar, "s1")
	require.NoError(t, err)
	kept, err := s.op.Order(t.Context(), order.ID)
	require.NoError(t, err)
	assert.Equal(t, incident.Done, kept.State)
}

// hanging is an audit trail whose backend does not answer.
type hanging struct{ incident.Store }

func (hanging) Begin(ctx context.Context, _ incident.Order) (incident.Order, bool, error) {
	<-ctx.Done()
	return incident.Order{}, false, ctx.Err()
}

// half is one whose backend fails in between.
type half struct{ incident.Store }

func (half) Finish(context.Context, incident.Order) error { return errors.New("gone") }

func TestAnAuditTrailThatFailsStopsNoMeasure(t *testing.T) {
	for desc, store := range map[string]incident.Store{"it hangs": hanging{}, "it fails in between": half{incident.NewMemoryStore(0)}} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, func(c *incident.Config) { c.Orders = store })
				began := time.Now()
				order, err := s.op.Block(t.Context(), oscar, seven, soon())
				require.NoError(t, err)
				assert.Contains(t, string(order.Answer), `"recorded":false`)
				assert.Equal(t, []string{"block 203.0.113.7/32"}, s.got())
				assert.LessOrEqual(t, time.Since(began), time.Second)
				assert.Len(t, s.logs.lines(`"authz_admin"`), 1)
				assert.Len(t, s.logs.lines(`"sys_backend_unavailable"`), 1)
			})
		})
	}
	t.Run("whether it was given before cannot be told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, func(c *incident.Config) { c.Orders = hanging{} })
			_, err := s.op.Block(t.Context(), incident.By{Actor: "oscar", Once: "1"}, seven, soon())
			problem(t, err, 503, "unavailable")
			assert.Empty(t, s.got())
		})
	})
}

func TestABackendThatHangsHoldsAnOperatorForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		s := newService(t, func(c *incident.Config) {
			c.EndSession = func(ctx context.Context, _ string) (int, error) { return 0, hang(ctx) }
			c.RotateFieldKey = func(ctx context.Context) (string, error) { return "", hang(ctx) }
		})
		began := time.Now()
		_, err := s.op.EndSession(t.Context(), oscar, "s1")
		problem(t, err, 503, "unavailable")
		assert.Equal(t, 2*time.Second, time.Since(began))
		began = time.Now()
		_, err = s.op.RotateFieldKey(t.Context(), oscar)
		problem(t, err, 503, "unavailable")
		assert.Equal(t, 12*time.Second, time.Since(began))
	})
}

func TestTheZeroOperatorAndOneWithoutMeasuresRefuse(t *testing.T) {
	bare, err := incident.New(incident.Config{})
	require.NoError(t, err)
	for desc, o := range map[string]*incident.Operator{"zero": {}, "bare": bare} {
		for _, tt := range orders {
			_, err := tt.give(t.Context(), o, oscar)
			problem(t, err, 404, "not_found")
		}
		_ = desc
	}
}

func TestEachMistakeOfAConfigIsReported(t *testing.T) {
	_, err := incident.New(incident.Config{
		Unblock: func(context.Context, netip.Prefix) error { return nil },
		Loosen:  func(context.Context, string) error { return nil },
		Feed:    &fleet{}, Timeout: time.Hour,
	})
	assert.EqualError(t, err, `incident.Config.Blocks: missing: give what lists the blocks, such as the method Blocks of an ipfilter.Filter
incident.Config.Rates: missing: give what lists the policies, so that an unknown one is told
incident.Config.Timeout: invalid "1h0m0s": use up to 30s; 0 means 2s
incident.Config.Instances: missing: give the method Instances of the feed, so that a response tells which instances follow`)
	_, err = incident.NewLockdown(incident.LockdownConfig{Open: []string{"ops", "/a*b"}})
	assert.EqualError(t, err, `incident.LockdownConfig.Open: invalid "ops": write a path such as "/healthz", or "/api/ops/*"
incident.LockdownConfig.Open: invalid "/a*b": write a path such as "/healthz", or "/api/ops/*"`)
	_, err = incident.NewLockdown(incident.LockdownConfig{})
	assert.ErrorContains(t, err, "Open: missing")
}

// Of several orders for one target the last is in force, so each is in the log.
func TestNoOrderIsFoldedIntoAnother(t *testing.T) {
	s := newService(t)
	for range 3 {
		_, err := s.op.Loosen(t.Context(), oscar, "anon")
		require.NoError(t, err)
	}
	assert.Len(t, s.logs.lines(`"action":"loosen"`), 3)
}
