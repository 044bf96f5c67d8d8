package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fleet is three processes of the server that share a database.
type fleet struct {
	t         *testing.T
	db        string
	args      []string
	instances []*process
}

func startFleet(t *testing.T, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, db: filepath.Join(t.TempDir(), "ecolaura.db"), args: args}
	for range 3 {
		f.instances = append(f.instances, f.start(t))
	}
	return f
}

func (f *fleet) start(t *testing.T) *process {
	p := startProcess(f.t, f.db, f.args...)
	p.t, p.behindProxy = t, true
	return p
}

// restart ends the last instance and puts a new one in its place.
func (f *fleet) restart(t *testing.T) {
	t.Helper()
	last := len(f.instances) - 1
	require.Equal(t, 0, f.instances[last].stop(t))
	f.instances[last] = f.start(t)
}

// request is what traffic consists of.
type request struct {
	method, path, body string
	headers            []string

	session, subject, key string // whose it is
}

func (s *service) send(r request) (answer, error) {
	return s.try(r.method, r.path, r.body, r.headers...)
}

// traffic is two clients of each instance; each sends the same request every
// 20 ms until it is stopped, or its test ends.
type traffic struct {
	stop    chan struct{}
	clients sync.WaitGroup

	mu   sync.Mutex
	sent [][]sample // of each instance
	errs []error
}

type sample struct {
	at, answered time.Time
	status       int
}

func (s sample) accepted() bool { return s.status < 300 }

// accepted is how many of those sent after a time were.
func accepted(samples []sample, after time.Time) (n int) {
	for _, s := range samples {
		if s.accepted() && s.at.After(after) {
			n++
		}
	}
	return n
}

func (f *fleet) traffic(r request) *traffic {
	tr := &traffic{stop: make(chan struct{}), sent: make([][]sample, len(f.instances))}
	for i, p := range f.instances {
		for range 2 {
			tr.clients.Go(func() { tr.run(p.t.Context(), i, p, r) })
		}
	}
	return tr
}

func (tr *traffic) run(ctx context.Context, instance int, p *process, r request) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		began := time.Now()
		a, err := p.send(r)
		tr.mu.Lock()
		if tr.sent[instance] = append(tr.sent[instance], sample{began, time.Now(), a.status}); err != nil {
			tr.errs = append(tr.errs, err)
		}
		tr.mu.Unlock()
		select {
		case <-tr.stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// await waits until the latest ten answers of every instance are as wanted.
func (tr *traffic) await(t *testing.T, what string, want func(sample) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for _, sent := range tr.sent {
			if len(sent) < 10 {
				return false
			}
			for _, s := range sent[len(sent)-10:] {
				if !want(s) {
					return false
				}
			}
		}
		return true
	}, time.Minute, 20*time.Millisecond, what)
}

// end stops the clients and returns what they saw.
func (tr *traffic) end(t *testing.T) [][]sample {
	t.Helper()
	close(tr.stop)
	tr.clients.Wait()
	assert.Empty(t, tr.errs)
	return tr.sent
}

// assertStopped sees that every instance began to refuse within a second of an
// order that was answered at a time, and accepted nothing from then on but the
// spare requests.
func assertStopped(t *testing.T, sent [][]sample, ordered time.Time, status, spare int) {
	t.Helper()
	var last time.Time // when what was still accepted was sent
	var slowest time.Duration
	for i, samples := range sent {
		var refused time.Time // the first refusal has come back
		for _, s := range samples {
			slowest = max(slowest, s.answered.Sub(s.at))
			if s.status == status && (refused.IsZero() || s.answered.Before(refused)) {
				refused = s.answered
			}
		}
		for _, s := range samples {
			if s.accepted() && s.at.Before(refused) && s.at.After(last) {
				last = s.at
			}
		}
		assert.LessOrEqual(t, accepted(samples, refused), spare, "accepted by instance %d of what was sent after its first refusal", i)
	}
	took := max(last.Sub(ordered), 0)
	t.Logf("in force everywhere after %v; the slowest request took %v", took, slowest)
	// The bar is a second. What a busy machine adds is seen at the slowest of the
	// requests, which need the same processor as the feed's polls do; a second at
	// least is for pauses between two requests.
	assert.LessOrEqual(t, took, time.Second+max(time.Second, 10*slowest))
}
