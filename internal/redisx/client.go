// Package redisx is what the packages share that ask Redis: it sends a command
// through whatever client the application links, waits for the answer no longer
// than it may, and leaves a server alone that fails.
package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
)

// A DoFunc sends one command to Redis and returns its reply. All args are
// strings, args[0] is the command. A string in the reply may be a []byte.
type DoFunc = func(ctx context.Context, args ...any) (any, error)

// ErrOpen is returned without asking while Redis is known to fail.
var ErrOpen = errors.New("not asked: Redis has failed and is tried again soon")

var (
	errZero  = errors.New("the store was not made by New")
	errPanic = errors.New("the client panicked")
)

// A Client sends the commands of one package. It is safe for concurrent use; a
// nil one refuses. Its errors do not name the package: that is its caller's part.
type Client struct {
	do      DoFunc
	wait    time.Duration
	breaker *breaker
}

// New returns a Client that waits for do no longer than wait. It reports an
// outage for that layer when it begins and when it ends, or not at all if layer
// is "".
func New(do DoFunc, wait time.Duration, layer string, log *slog.Logger) *Client {
	return &Client{do, wait, newBreaker(&events{reporter: rampart.NewReporter(log), layer: layer})}
}

// Apart returns a Client with a circuit of its own and the same events: a server
// that is full, or a replica, refuses to write and goes on to answer reads.
func (c *Client) Apart() *Client { return &Client{c.do, c.wait, newBreaker(c.breaker.events)} }

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
	if try.probe { // its outcome is for everybody: it goes on if this caller leaves
		var cancel context.CancelFunc
		ctx, cancel = uncancelled(ctx)
		defer cancel()
	}
	reply, err := c.within(ctx, args)
	switch {
	case err == nil, unknownScript(err): // an answer, too
		try.succeeded(ctx)
	case scriptFailed(err): // no other call has to fail for it
		try.succeeded(ctx)
		c.breaker.events.report(ctx, rampart.SysBackendUnavailable, "redis script", rampart.Text("error", err.Error()))
	case errors.Is(ctx.Err(), context.Canceled), hasty && ctx.Err() != nil: // that says nothing about Redis
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

// limit bounds ctx by the time that the client waits.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= c.wait {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.wait)
}

// within calls do, but waits no longer than ctx and the limit allow: clients
// retry, and some do not obey a context. What is left behind ends with the
// client's own time limit.
func (c *Client) within(ctx context.Context, args []any) (any, error) {
	type answer struct {
		reply any
		err   error
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errPanic} // which would end the process
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("%w: %v", errPanic, p)
			}
			answers <- a
		}()
		a.reply, a.err = c.do(ctx, args...)
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
