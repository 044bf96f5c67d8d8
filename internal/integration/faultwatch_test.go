package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// probe is a request that a client repeats at every instance.
type probe struct {
	name    string
	request apiRequest
	every   time.Duration
	// bodies are its own for each instance; renews: a response has the next one.
	bodies []string
	renews bool
}

const fastProbe, slowProbe = 200 * time.Millisecond, time.Second

// shot is one of its answers.
type shot struct {
	apiAnswer

	probe    string
	instance int
	err      error
}

func (s shot) served() bool { return s.err == nil && s.status < 300 }

// watch is clients that ask every instance of a fleet all the time.
type watch struct {
	instances []*apiServer
	stop      context.CancelFunc
	all       sync.WaitGroup

	mu    sync.Mutex
	shots []shot
}

func (f *apiFleet) watch(t *testing.T, probes ...probe) *watch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{instances: f.instances, stop: cancel}
	w.add(ctx, probes...)
	t.Cleanup(func() { w.end() })
	return w
}

func (w *watch) add(ctx context.Context, probes ...probe) {
	for _, p := range probes {
		for i, s := range w.instances {
			w.all.Go(func() { w.run(ctx, p, i, s) })
		}
	}
}

func (w *watch) run(ctx context.Context, p probe, instance int, s *apiServer) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	q := p.request
	if p.bodies != nil {
		q.body = p.bodies[instance]
	}
	for ctx.Err() == nil {
		a, err := s.try(context.WithoutCancel(ctx), q)
		w.mu.Lock()
		w.shots = append(w.shots, shot{a, p.name, instance, err})
		w.mu.Unlock()
		if next := a.field("refresh"); p.renews && next != "" {
			q.body = `{"refresh":"` + next + `"}`
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// end stops the clients, and returns what they were answered.
func (w *watch) end() []shot {
	w.stop()
	w.all.Wait()
	return w.shots
}

// outage is one state of a backend.
type outage struct {
	backend, state string
	down, up       func()
	lasts          time.Duration
	// refuses are the probes that are answered 503 meanwhile; every other one is served.
	refuses []string
	amid    func(t *testing.T) // what is done when it has lasted for half a second; may be nil
}

// The bars: how long an answer may take, and for how long after the end of an outage
// what is sent may still be refused.
const (
	longestAnswer = 2500 * time.Millisecond
	recoveryBar   = time.Second
)

// patient is a bar, or twice as much in CI, where other tests keep the machine busy.
func patient(bar time.Duration) time.Duration {
	if os.Getenv("RAMPART_FAULTS") == "" {
		return 2 * bar
	}
	return bar
}

// recovery is the bar of a probe. /healthz keeps a failure for a second, which may begin
// as late as the first connections are made anew.
func recovery(probe string) time.Duration {
	if probe == "health" {
		return recoveryBar + time.Second
	}
	return recoveryBar
}

// endure lets a fleet pass through an outage amid traffic, asserts what holds
// however slow the machine is, and returns what was too slow.
func (f *apiFleet) endure(t *testing.T, o outage, probes []probe) (late []string) {
	t.Helper()
	w := f.watch(t, probes...)
	pause(500 * time.Millisecond)
	down := time.Now()
	o.down()
	pause(500 * time.Millisecond)
	if o.amid != nil {
		o.amid(t)
	}
	pause(o.lasts - time.Since(down))
	o.up()
	up := time.Now()
	pause(2 * time.Second)
	shots := w.end()

	slowest, recovered := map[string]time.Duration{}, map[string]time.Duration{}
	statuses := map[string]map[int]int{} // of each probe, meanwhile
	for _, s := range shots {
		after := s.at.After(up)
		require.NoError(t, s.err, "%s of instance %d, %v after the outage began", s.probe, s.instance, s.at.Sub(down))
		// A log-in that is served takes what its hash takes, on a busy machine long.
		if s.probe != "login" || !s.served() {
			slowest[s.probe] = max(slowest[s.probe], s.took)
		}
		if s.at.After(down) && !after {
			if statuses[s.probe] == nil {
				statuses[s.probe] = map[int]int{}
			}
			statuses[s.probe][s.status]++
		}
		if after && !s.served() {
			recovered[s.probe] = max(recovered[s.probe], s.at.Sub(up))
		}
		if s.served() {
			continue
		}
		assert.Equal(t, http.StatusServiceUnavailable, s.status, "%s of instance %d, %v after the outage began: %s", s.probe, s.instance, s.at.Sub(down), s.body)
		assert.Contains(t, o.refuses, s.probe, "%v after the outage began, up after %v: %s", s.at.Sub(down), up.Sub(down), s.body)
		if s.probe != "health" { // a load balancer asks again anyway
			assert.NotEmpty(t, s.retry, "%s: 503 has Retry-After: %s", s.probe, s.body)
		}
		assert.False(t, s.at.Add(s.took).Before(down), "%s: nothing is refused before", s.probe)
	}
	t.Logf("%s %s: answers %v; slowest %v; refused after its end %v", o.backend, o.state, statuses, slowest, recovered)
	for probe, took := range slowest {
		if took > patient(longestAnswer) {
			late = append(late, fmt.Sprintf("%s took %v", probe, took))
		}
	}
	for probe, took := range recovered {
		if took > patient(recovery(probe)) {
			late = append(late, fmt.Sprintf("%s was refused %v after the end", probe, took))
		} else if took > recoveryBar {
			t.Logf("MISSED: %s was refused %v after the end", probe, took)
		}
	}
	return late
}

// pause waits, for what real servers do meanwhile.
func pause(d time.Duration) { time.Sleep(max(d, 0)) }
