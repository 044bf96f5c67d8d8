// Package proxy sends requests to upstreams.
package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// errNoTarget says that there is no target that could be asked.
var errNoTarget = errors.New("no healthy target")

// cooldown is how long a target that failed gets no request. Then one request
// tries it. (Kong without active checks waits for its operator.)
const cooldown = 10 * time.Second

// A Pool chooses among the targets of an upstream.
type Pool struct {
	mu      sync.Mutex
	targets []*target
	checks  conf.Passive
	active  conf.Active
	fewest  bool // least-connections
	now     func() time.Time

	stop  context.CancelFunc // of the active checks; nil: there are none
	ended chan struct{}
}

type target struct {
	addr   string // host:port
	host   string // for the Host header; "" if it is an address
	weight int

	current  int // of smooth weighted round robin
	inFlight int
	sick     bool
	until    time.Time // of the cooldown
	trying   bool      // one request is testing it

	failures, dials, timeouts, successes int

	asked counts // of the active checks
}

// NewPool returns a Pool for the targets of u; end it with Close.
func NewPool(u *conf.Upstream, targets []*conf.Target, names Resolver) *Pool {
	p := newPool(u, targets)
	if p.asks() {
		p.start(newProber(u, names).ask)
	}
	return p
}

func newPool(u *conf.Upstream, targets []*conf.Target) *Pool {
	p := &Pool{checks: u.Healthchecks.Passive, active: u.Healthchecks.Active, fewest: u.Algorithm == "least-connections", now: time.Now}
	for _, t := range targets {
		if t.Upstream == conf.Ref(u.ID) && t.Weight > 0 {
			p.targets = append(p.targets, newTarget(t.Target, t.Weight))
		}
	}
	return p
}

// single returns a Pool of one server.
func single(host string, port int) *Pool {
	return &Pool{now: time.Now, targets: []*target{newTarget(net.JoinHostPort(host, strconv.Itoa(port)), 1)}}
}

func newTarget(addr string, weight int) *target {
	t := &target{addr: addr, weight: weight}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		if _, err := netip.ParseAddr(host); err != nil {
			t.host = host
		}
	}
	return t
}

// pick chooses a target that is not in tried.
func (p *Pool) pick(tried []*target) (*target, error) {
	if len(p.targets) == 1 && len(tried) == 0 && !p.checking() {
		return p.targets[0], nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *target
	total := 0
	for _, t := range p.targets {
		if slices.Contains(tried, t) || t.sick && (t.trying || p.now().Before(t.until)) {
			continue
		}
		total += t.weight
		t.current += t.weight
		if best == nil || p.better(t, best) {
			best = t
		}
	}
	if best == nil {
		return nil, errNoTarget
	}
	best.current -= total
	best.inFlight++
	best.trying = best.sick
	return best, nil
}

func (p *Pool) better(a, b *target) bool {
	if p.fewest && a.inFlight*b.weight != b.inFlight*a.weight {
		return a.inFlight*b.weight < b.inFlight*a.weight
	}
	return a.current > b.current
}

// States returns for each target which of Kong's states it is in.
func (p *Pool) States() map[string]string {
	states := map[string]string{}
	for addr, healthy := range p.Health() {
		u := p.checks.Unhealthy
		switch {
		case !healthy: // as an operator may have said
			states[addr] = "unhealthy"
		case u.HTTPFailures+u.TCPFailures+u.Timeouts == 0 && !p.asks():
			states[addr] = "healthchecks_off"
		default:
			states[addr] = "healthy"
		}
	}
	return states
}

// checking reports whether any check is on.
func (p *Pool) checking() bool {
	u := p.checks.Unhealthy
	return p.fewest || p.asks() || u.HTTPFailures+u.TCPFailures+u.Timeouts > 0
}

// outcome is what came of asking a target.
type outcome uint8

const (
	answered outcome = iota
	unreachable
	timedOut
	broken // no valid response
)

// report tells how a target did.
func (p *Pool) report(t *target, o outcome, status int) {
	if !p.checking() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.checks.Unhealthy
	sick := false
	switch {
	case o == unreachable || o == broken:
		t.dials++
		sick = u.TCPFailures > 0 && t.dials >= u.TCPFailures
	case o == timedOut:
		t.timeouts++
		sick = u.Timeouts > 0 && t.timeouts >= u.Timeouts
	case slices.Contains(u.Statuses, status):
		t.failures++
		sick = u.HTTPFailures > 0 && t.failures >= u.HTTPFailures
	case slices.Contains(p.checks.Healthy.Statuses, status) || t.sick:
		t.failures, t.dials, t.timeouts = 0, 0, 0
		t.successes++
		if t.successes >= p.checks.Healthy.Successes {
			t.sick = false
		}
		t.trying = false
		return
	}
	t.successes = 0
	if sick || t.sick {
		t.sick, t.trying, t.until = true, false, p.rest()
	}
}

// rest returns until when a sick target gets no request: where it is asked by
// itself, until it has answered well.
func (p *Pool) rest() time.Time {
	if _, unhealthy := p.active.Every(); unhealthy > 0 && p.active.Healthy.Successes > 0 {
		return p.now().AddDate(100, 0, 0)
	}
	return p.now().Add(cooldown)
}

// release gives back a target of which nothing was learnt: its client has gone,
// or has not sent its body. If that was the trial, there must be another one.
func (p *Pool) release(t *target) {
	if !p.checking() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.sick && t.trying {
		t.trying, t.until = false, p.rest()
	}
}

// done ends the count of least-connections.
func (p *Pool) done(t *target) {
	if p.fewest {
		p.mu.Lock()
		t.inFlight--
		p.mu.Unlock()
	}
}

// Health returns for each target whether it gets requests.
func (p *Pool) Health() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]bool{}
	for _, t := range p.targets {
		all[t.addr] = !t.sick
	}
	return all
}

// Set marks a target healthy or not, as an operator says; false if it is not
// one of the pool's.
func (p *Pool) Set(addr string, healthy bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.targets, func(t *target) bool { return t.addr == addr })
	if i < 0 {
		return false
	}
	t := p.targets[i]
	t.sick, t.trying, t.failures, t.dials, t.timeouts = !healthy, false, 0, 0, 0
	if !healthy {
		t.until = p.now().AddDate(100, 0, 0)
	}
	return true
}
