package incident_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
)

// fleet is a feed of three instances; the second and the third follow when told.
type fleet struct {
	mu    sync.Mutex
	seq   [3]int64
	lag   time.Duration // after which the others follow; 0: never
	fails error
	subs  map[string]func([]byte, time.Time)
	sent  []string

	replay [][]byte // what a subscriber gets first
}

func (f *fleet) Subscribe(topic string, apply func([]byte, time.Time)) {
	if f.subs == nil {
		f.subs = map[string]func([]byte, time.Time){}
	}
	f.subs[topic] = apply
	for _, data := range f.replay {
		apply(data, time.Now().Add(time.Hour))
	}
}

func (f *fleet) Publish(_ context.Context, topic string, data []byte, keep time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return f.fails
	}
	f.seq[0]++
	f.sent = append(f.sent, topic+" "+string(data))
	if apply := f.subs[topic]; apply != nil {
		apply(data, time.Now().Add(keep))
	}
	if seq := f.seq[0]; f.lag > 0 {
		time.AfterFunc(f.lag, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seq[1], f.seq[2] = seq, seq
		})
	}
	return nil
}

func (*fleet) Age() time.Duration { return 0 }

func (f *fleet) instances(context.Context) ([]rampart.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return nil, f.fails
	}
	var all []rampart.Instance
	for i, seq := range f.seq {
		all = append(all, rampart.Instance{ID: string(rune('a' + i)), Version: "v1", Seq: seq, Self: i == 0})
	}
	return all, nil
}

// follow is a Config whose measures are carried by the fleet.
func (f *fleet) follow(c *incident.Config) {
	c.Feed, c.Instances = f, f.instances
	c.EndSession = func(ctx context.Context, _ string) (int, error) { return 1, f.Publish(ctx, "t", nil, time.Hour) }
}

func inForce(t *testing.T, answer json.RawMessage) (reach *incident.Reach) {
	t.Helper()
	var members struct {
		InForce *incident.Reach `json:"in_force"`
	}
	require.NoError(t, json.Unmarshal(answer, &members))
	return members.InForce
}

func TestAnOrderTellsOnHowManyInstancesItIsInForce(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		lag    time.Duration
		took   time.Duration
		want   incident.Reach
		behind []string
	}{
		{"all follow", 450 * time.Millisecond, 500 * time.Millisecond, incident.Reach{Instances: 3, Of: 3}, nil},
		{"two are cut off", 0, time.Second, incident.Reach{Instances: 1, Of: 3}, []string{"b", "c"}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fleet{seq: [3]int64{7, 7, 7}, lag: tt.lag}
				s := newService(t, f.follow)
				began := time.Now()
				order, err := s.op.EndSession(t.Context(), oscar, "s1")
				require.NoError(t, err)
				assert.Equal(t, tt.took, time.Since(began))
				reach := inForce(t, order.Answer)
				var behind []string
				for _, b := range reach.Behind {
					behind = append(behind, b.ID)
				}
				assert.Equal(t, tt.behind, behind)
				reach.Behind = nil
				assert.Equal(t, &tt.want, reach)
				synctest.Wait()
			})
		})
	}
}

func TestLaterItIsToldAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{seq: [3]int64{7, 7, 6}}
		s := newService(t, f.follow)
		order, err := s.op.EndSession(t.Context(), oscar, "s1")
		require.NoError(t, err)
		told := func() string {
			_, members, _ := s.call("GET", "/orders/"+order.ID+"/", "")
			got, _ := json.Marshal(members["in_force"])
			return string(got)
		}
		assert.Contains(t, told(), `"instances":1,"of":3`)
		assert.Contains(t, told(), `{"id":"c","seen":"0001-01-01T00:00:00Z","started":"0001-01-01T00:00:00Z","version":"v1"}`)
		f.seq = [3]int64{9, 8, 7}
		assert.Contains(t, told(), `"instances":2,"of":3`)
		f.seq = [3]int64{9, 8, 9}
		assert.JSONEq(t, `{"instances":3,"of":3}`, told())
		f.seq = [3]int64{2, 2, 2}
		assert.Equal(t, "null", told(), "the source has gone back: nobody can tell by its numbers")
		f.fails = errors.New("down")
		assert.JSONEq(t, `{"instances":1}`, told(), "the others cannot be asked")
	})
}

func TestARegistryThatFailsStopsNoOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, down := &fleet{}, true
		s := newService(t, func(c *incident.Config) {
			c.Feed, c.Instances = f, func(ctx context.Context) ([]rampart.Instance, error) {
				if down {
					return nil, errors.New("down")
				}
				return f.instances(ctx)
			}
		})
		order, err := s.op.EndSession(t.Context(), oscar, "s1")
		require.NoError(t, err)
		assert.Equal(t, &incident.Reach{Instances: 1}, inForce(t, order.Answer))
		down = false
		_, members, _ := s.call("GET", "/orders/"+order.ID+"/", "")
		assert.NotContains(t, members, "in_force", "how far the others must have come was never known")
	})
}
