package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// counts are those of active checks.
type counts struct{ failures, dials, timeouts, successes int }

// asks reports whether active checks are on.
func (p *Pool) asks() bool {
	healthy, unhealthy := p.active.Every()
	return healthy > 0 || unhealthy > 0
}

// start asks the targets until Close. ask returns a status, or an error.
func (p *Pool) start(ask func(context.Context, *target) (int, error)) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.ended = stop, make(chan struct{})
	go func() {
		defer close(p.ended)
		var wg sync.WaitGroup
		healthy, unhealthy := p.active.Every()
		for _, of := range []struct {
			every time.Duration
			sick  bool
		}{{healthy, false}, {unhealthy, true}} {
			if of.every > 0 {
				wg.Go(func() { p.follow(ctx, of.every, of.sick, ask) })
			}
		}
		wg.Wait()
	}()
}

// Close ends the active checks.
func (p *Pool) Close() {
	if p.stop != nil {
		p.stop()
		<-p.ended
	}
}

// follow asks the targets that are sick, or those that are not.
func (p *Pool) follow(ctx context.Context, every time.Duration, sick bool, ask func(context.Context, *target) (int, error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		turns := make(chan struct{}, p.active.Concurrency)
		var wg sync.WaitGroup
		for _, t := range p.those(sick) {
			turns <- struct{}{}
			wg.Go(func() {
				defer func() { <-turns }()
				within, cancel := context.WithTimeout(ctx, conf.Seconds(p.active.Timeout))
				defer cancel()
				if status, err := ask(within, t); ctx.Err() == nil {
					p.learn(t, status, err)
				}
			})
		}
		wg.Wait()
	}
}

func (p *Pool) those(sick bool) (all []*target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets {
		if t.sick == sick {
			all = append(all, t)
		}
	}
	return all
}

// learn counts what an active check has found.
func (p *Pool) learn(t *target, status int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, n := p.active.Unhealthy, &t.asked
	var sick bool
	switch {
	case err != nil && timedOutError(err):
		n.timeouts++
		sick = u.Timeouts > 0 && n.timeouts >= u.Timeouts
	case err != nil:
		n.dials++
		sick = u.TCPFailures > 0 && n.dials >= u.TCPFailures
	case p.active.Type != "tcp" && slices.Contains(u.Statuses, status):
		n.failures++
		sick = u.HTTPFailures > 0 && n.failures >= u.HTTPFailures
	case p.active.Type == "tcp" || slices.Contains(p.active.Healthy.Statuses, status):
		*n = counts{successes: n.successes + 1}
		if most := p.active.Healthy.Successes; t.sick && most > 0 && n.successes >= most {
			t.sick, t.trying = false, false
			t.failures, t.dials, t.timeouts, t.successes = 0, 0, 0, 0
			*n = counts{}
		}
		return
	default:
		return
	}
	n.successes = 0
	if sick && !t.sick {
		t.sick, t.trying, t.until = true, false, p.rest()
		*n = counts{}
	}
}

func timedOutError(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && ne.Timeout()
}

// A prober asks targets as an upstream says.
type prober struct {
	cfg    conf.Active
	host   string // for the Host header; "": the target's
	client *http.Client
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

func newProber(u *conf.Upstream, names Resolver) *prober {
	dialer := &net.Dialer{}
	p := &prober{cfg: u.Healthchecks.Active, host: u.HostHeader}
	p.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, names.lookup(addr))
	}
	p.client = &http.Client{
		Transport: &http.Transport{
			DialContext: p.dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, ServerName: p.cfg.SNI,
				InsecureSkipVerify: !p.cfg.VerifyTLS, //nolint:gosec // only where the configuration says so
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p
}

// ask returns the status of a target; 0 of one that is asked by TCP alone.
func (p *prober) ask(ctx context.Context, t *target) (int, error) {
	if p.cfg.Type == "tcp" {
		c, err := p.dial(ctx, "tcp", t.addr)
		if err != nil {
			return 0, err
		}
		return 0, c.Close()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.Type+"://"+t.addr+p.cfg.HTTPPath, nil)
	if err != nil {
		return 0, err
	}
	r.Host = p.host
	r.Header.Set("User-Agent", "rampart-gateway/health")
	for name, values := range p.cfg.Headers {
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
