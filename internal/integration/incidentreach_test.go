package integration_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// pausable is a source of an instance that can be cut off.
type pausable struct {
	feed.Source
	cut chan struct{}
}

func (p *pausable) hang(ctx context.Context) error {
	select {
	case <-p.cut:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

func (p *pausable) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	if err := p.hang(ctx); err != nil {
		return nil, err
	}
	return p.Source.Since(ctx, seq, limit)
}

func (p *pausable) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	if err := p.hang(ctx); err != nil {
		return nil, err
	}
	return p.Source.Report(ctx, in, keep)
}

// operated is one instance of a service with counter-measures.
type operated struct {
	operator *incident.Operator
	lockdown *incident.Lockdown
	blocks   *ipfilter.Filter
	rates    *throttle.Overrides
	source   *pausable
}

func newOperated(t *testing.T, source feed.Source, log *logtest.Records) *operated {
	t.Helper()
	o := &operated{source: &pausable{source, make(chan struct{})}}
	f := follow(t, o.source, log)
	t.Cleanup(func() { _ = f.Close() })
	var err error
	o.lockdown, err = incident.NewLockdown(incident.LockdownConfig{Open: []string{"/ops/*"}, Feed: f})
	require.NoError(t, err)
	o.blocks, err = ipfilter.New(ipfilter.Config{Feed: f, Outage: rampart.FailOpen})
	require.NoError(t, err)
	o.rates, err = throttle.NewOverrides(throttle.OverridesConfig{Feed: f, Outage: rampart.FailOpen})
	require.NoError(t, err)
	revocations, err := auth.NewRevocations(auth.RevocationsConfig{Feed: f, Outage: rampart.FailOpen})
	require.NoError(t, err)
	t.Cleanup(func() { _ = revocations.Close() })
	_, err = throttle.New(throttle.Config{Policies: []throttle.Policy{{Name: "anon", Rate: throttle.Rate{Count: 9, Period: time.Hour}, Key: throttle.ByIP(nil)}}, Overrides: o.rates})
	require.NoError(t, err)
	o.operator, err = incident.New(incident.Config{
		EndSubject: func(ctx context.Context, subject string) (int, error) {
			return 1, revocations.RevokeSubject(ctx, subject, time.Now(), time.Now().Add(time.Hour))
		},
		Block: o.blocks.Block, Unblock: o.blocks.Unblock, Blocks: o.blocks.Blocks, Lockdown: o.lockdown,
		Tighten: func(ctx context.Context, policy, rate string, until time.Time) error {
			r, err := throttle.Parse(rate)
			require.NoError(t, err)
			return o.rates.Tighten(ctx, policy, r, until)
		},
		Rates: func() []incident.Rate { return []incident.Rate{{Policy: "anon"}} },
		Feed:  f, Instances: f.Instances, Logger: log.Logger(),
	})
	require.NoError(t, err)
	return o
}

// Each order on three instances is in force on all within a second, and the response
// tells how many that are; also where one of them has been cut off.
func TestAnOrderReachesEveryInstanceWithinASecond(t *testing.T) {
	seven, by := netip.MustParsePrefix("203.0.113.7/32"), incident.By{Actor: "oscar"}
	soon := time.Now().Add(time.Hour)
	for desc, open := range map[string]func(t *testing.T) feed.Source{
		"SQLite": func(t *testing.T) feed.Source {
			return feedSource(t, openSQLiteFile(t, filepath.Join(t.TempDir(), "feed.db")), rampart.SQLite)
		},
		"PostgreSQL": func(t *testing.T) feed.Source { return feedSource(t, openPostgres(t), rampart.PostgreSQL) },
		"Redis": func(t *testing.T) feed.Source {
			client, key := openRedis(t)
			return feedredis.New(redisDo(client), key)
		},
	} {
		t.Run(desc, func(t *testing.T) {
			t.Parallel()
			var log logtest.Records
			source := open(t)
			var all []*operated
			for range 3 {
				all = append(all, newOperated(t, source, &log))
			}
			one := all[0].operator
			for _, order := range []struct {
				action string
				give   func() (incident.Order, error)
				holds  func(*operated) bool
			}{
				{"block", func() (incident.Order, error) { return one.Block(t.Context(), by, seven, soon) }, func(o *operated) bool {
					for p := range o.blocks.Blocks() {
						return p == seven
					}
					return false
				}},
				{"tighten", func() (incident.Order, error) { return one.Tighten(t.Context(), by, "anon", "1/h", soon) }, func(o *operated) bool {
					_, _, ok := o.rates.Tightened("anon")
					return ok
				}},
				{"lockdown", func() (incident.Order, error) { return one.LockDown(t.Context(), by, incident.ReadOnly, nil, soon) }, func(o *operated) bool {
					return o.lockdown.State().Mode == incident.ReadOnly
				}},
				{"end_subject", func() (incident.Order, error) { return one.EndSubject(t.Context(), by, "alice") }, func(*operated) bool { return true }},
			} {
				began := time.Now()
				given, err := order.give()
				require.NoError(t, err)
				assert.LessOrEqual(t, time.Since(began), 2*time.Second, "of a busy machine; a second is for the others")
				assert.Equal(t, incident.Reach{Instances: 3, Of: 3}, inForce(t, given), order.action)
				for _, o := range all {
					assert.True(t, order.holds(o), "%s is in force where the response says so", order.action)
				}
			}

			close(all[2].source.cut)
			given, err := one.Unblock(t.Context(), by, seven)
			require.NoError(t, err)
			reach := inForce(t, given)
			assert.Len(t, reach.Behind, 1)
			reach.Behind = nil
			assert.Equal(t, incident.Reach{Instances: 2, Of: 3}, reach)
		})
	}
}

func inForce(t *testing.T, order incident.Order) incident.Reach {
	t.Helper()
	var members struct {
		InForce incident.Reach `json:"in_force"`
	}
	require.NoError(t, json.Unmarshal(order.Answer, &members))
	return members.InForce
}
