// Package redisx is what the packages share that ask Redis: it sends a command
// through whatever client the application links, waits for the reply no longer
// than it may, and leaves a server alone that fails.
package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// A DoFunc sends one command to Redis and returns its reply. All args are
// strings, args[0] is the command. A string in the reply may be a []byte.
type DoFunc = func(ctx context.Context, args ...any) (any, error)

var (
	// ErrOpen is returned without asking while Redis is known to fail.
	ErrOpen = errors.New("not asked: Redis has failed and is tried again soon")
	// ErrBusy is returned where Redis replies to others, or this process hardly runs: what
	// was waited for is its processor or its client's pool.
	ErrBusy = errors.New("not asked in time: this process is too busy")

	errZero   = errors.New("the store was not made by New")
	errPanic  = errors.New("the client panicked")
	errSilent = fmt.Errorf("no answer to anybody: %w", context.DeadlineExceeded)
)

const (
	// busyAfter is how long a call waits at least while Redis replies to others.
	busyAfter = time.Second

	// maxUnderWay is how many commands may be under way. What a client that knows no
	// context leaves behind is bounded by it; callers beyond it wait in line.
	maxUnderWay = 512
)

// A Client sends the commands of one package. It is safe for concurrent use; a
// nil one refuses. Its errors do not name the package: that is its caller's part.
type Client struct {
	do       DoFunc
	wait     time.Duration
	underWay chan struct{}
	answered atomic.Int64 // commands, so far
	breaker  *breaker
}

// New returns a Client whose calls fail when Redis has replied to none of them for
// wait. While it replies to others a call goes on to wait, up to a second or to wait
// if that is longer, and then is [ErrBusy]. New reports an outage for that layer
// when it begins and when it ends, or not at all if layer is "".
func New(do DoFunc, wait time.Duration, layer string, log *slog.Logger) *Client {
	return newClient(do, wait, &events{reporter: rampart.NewReporter(log, layer), layer: layer})
}

func newClient(do DoFunc, wait time.Duration, e *events) *Client {
	return &Client{do: do, wait: wait, underWay: make(chan struct{}, maxUnderWay), breaker: newBreaker(e)}
}

// Apart returns a Client with a circuit of its own and the same events: a server
// that is full, or a replica, refuses to write and goes on to serve reads.
func (c *Client) Apart() *Client { return newClient(c.do, c.wait, c.breaker.events) }

// Open reports whether Redis is known to fail, so that calls do not wait for it.
func (c *Client) Open() bool { return c != nil && c.breaker.open.Load() }

// Samples yields whether a circuit of c, or one [Client.Apart] from it, is open.
func (c *Client) Samples(yield func(rampart.Sample) bool) {
	if c == nil {
		return
	}
	e := c.breaker.events
	yield(rampart.Sample{
		Name: "rampart_redis_circuits_open", Help: "Circuits that are open: calls of a layer fail without asking Redis.",
		Labels: map[string]string{"layer": e.layer}, Value: float64(e.open.Load()),
	})
}

// Do sends one command, unless Redis is known to fail.
func (c *Client) Do(ctx context.Context, args ...any) (any, error) {
	if c == nil {
		return nil, errZero
	}
	if err := ctx.Err(); err != nil { // it would be random whether it is sent
		return nil, err
	}
	hasty := c.hasty(ctx)
	try, ok := c.breaker.enter(!hasty)
	if !ok {
		return nil, ErrOpen
	}
	if !try.probe {
		return c.attempt(ctx, try, hasty, args)
	}
	// Its outcome is for everybody: it goes on when its caller leaves, who waits no
	// longer than until another one probes.
	own, cancel := uncancelled(ctx)
	answers := make(chan answer, 1)
	go func() {
		defer cancel()
		reply, err := c.attempt(own, try, false, args)
		answers <- answer{reply, err}
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-time.After(probeEvery):
		return nil, ErrOpen
	}
}

// attempt asks, and tells the circuit what that says about Redis.
func (c *Client) attempt(ctx context.Context, try try, hasty bool, args []any) (any, error) {
	reply, err := c.ask(ctx, args, try.probe)
	switch {
	case err == nil, unknownScript(err):
		try.succeeded(ctx)
	case scriptFailed(err): // no other call has to fail for it
		try.succeeded(ctx)
		c.breaker.events.report(ctx, rampart.SysBackendUnavailable, "redis script", rampart.Text("error", err.Error()))
	case errors.Is(ctx.Err(), context.Canceled), hasty && ctx.Err() != nil, errors.Is(err, ErrBusy): // that says nothing about Redis
	default:
		try.failed(ctx, err)
	}
	return reply, err
}

// hasty reports whether ctx ends before a healthy server need have answered.
func (c *Client) hasty(ctx context.Context) bool {
	const enough = 5 * time.Millisecond
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < min(enough, c.wait)
}

// uncancelled returns a context with the deadline of ctx that ends by nothing else.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	own := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(own, end)
	}
	return own, func() {}
}

// limit bounds ctx by the time that a call waits at most.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	most := max(c.wait, busyAfter)
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= most {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, most)
}

type answer struct {
	reply any
	err   error
}

// ask calls do, but waits no longer than ctx and the limit allow, nor for a silent
// server: clients retry, and some do not obey a context. What is left behind ends
// with the client's own time limit. A probe does not wait in line, where a client
// that hangs may have left calls for good.
func (c *Client) ask(ctx context.Context, args []any, probe bool) (any, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	p := c.newPatience(time.Now())
	timer := time.NewTimer(p.step)
	defer timer.Stop()
	answers := make(chan answer, 1)
	line := c.underWay // nil when the command is under way
	if probe {
		line = nil
		go c.send(ctx, args, answers)
	}
	for {
		select {
		case line <- struct{}{}:
			line = nil
			go func() {
				defer func() { <-c.underWay }()
				c.send(ctx, args, answers)
			}()
		case a := <-answers:
			if timedOut(a.err) && p.ours(time.Now()) {
				a.err = ErrBusy
			}
			return a.reply, a.err
		case <-timer.C:
			if p.exhausted(time.Now()) {
				return nil, errSilent
			}
			timer.Reset(p.step)
		case <-ctx.Done():
			if p.ours(time.Now()) {
				return nil, ErrBusy
			}
			return nil, ctx.Err()
		}
	}
}

// send calls do. A reply counts though its caller may have left.
func (c *Client) send(ctx context.Context, args []any, answers chan<- answer) {
	a := answer{err: errPanic} // which would end the process
	defer func() {
		if p := recover(); p != nil {
			a.err = fmt.Errorf("%w: %v", errPanic, p)
		}
		answers <- a
	}()
	if a.reply, a.err = c.do(ctx, args...); a.err == nil || unknownScript(a.err) || scriptFailed(a.err) {
		c.answered.Add(1)
	}
}

// timedOut reports whether the client has ended a call, by the context or by a limit
// of its own.
func timedOut(err error) bool {
	var limit interface{ Timeout() bool }
	return errors.As(err, &limit) && limit.Timeout()
}
