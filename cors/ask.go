package cors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Bounds of [Config.OriginFunc]; its comment names them.
const (
	askTimeout = 2 * time.Second
	askAtOnce  = 64
	answerLife = 30 * time.Second
	maxAnswers = 4096 // of either kind
)

var (
	errAskTimeout = errors.New("OriginFunc has not answered within " + askTimeout.String())
	errAskAborted = errors.New("OriginFunc has ended its goroutine")
)

// An asker asks OriginFunc and remembers what it said. Allowed and denied origins
// have rooms of their own: strangers, of whom there may be any number, put no tenant
// out.
type asker struct {
	origin func(context.Context, string) (bool, error)
	turns  chan struct{}

	mu      sync.Mutex
	known   map[bool]map[string]time.Time // allowed or not → origin → until when
	flights map[string]*flight
}

// A flight is one call, for all requests of its origin.
type flight struct {
	done    chan struct{}   // closed once allowed and err are there
	late    <-chan struct{} // closed when it is too late, or after done
	allowed bool
	err     error
}

func newAsker(f func(context.Context, string) (bool, error)) *asker {
	return &asker{
		origin:  f,
		turns:   make(chan struct{}, askAtOnce),
		known:   map[bool]map[string]time.Time{false: {}, true: {}},
		flights: map[string]*flight{},
	}
}

// ask reports whether origin is allowed. The call goes on if the client of ctx leaves,
// because other requests may wait for it.
func (a *asker) ask(ctx context.Context, origin string) (bool, error) {
	f, allowed := a.flightOf(ctx, origin)
	if f == nil {
		return allowed, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return false, ctx.Err()
	case <-f.late:
		select {
		case <-f.done:
		default:
			return false, errAskTimeout
		}
	}
	return f.allowed, f.err
}

// flightOf returns what is known of origin, or else the flight that asks.
func (a *asker) flightOf(ctx context.Context, origin string) (f *flight, allowed bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, allowed := range [...]bool{true, false} {
		if until, ok := a.known[allowed][origin]; ok && now.Before(until) {
			return nil, allowed
		}
	}
	f = a.flights[origin]
	if f == nil {
		origin = strings.Clone(origin) // not the whole header that it is a part of
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		f = &flight{done: make(chan struct{}), late: ctx.Done(), err: errAskAborted}
		a.flights[origin] = f
		go a.fly(ctx, cancel, f, origin, now)
	}
	return f, false
}

// fly asks, and ends the flight. A func that panics must not take the process along:
// no request stands behind it here.
func (a *asker) fly(ctx context.Context, cancel context.CancelFunc, f *flight, origin string, began time.Time) {
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			f.err = fmt.Errorf("OriginFunc: panic: %v", v)
		}
		f.allowed = f.allowed && f.err == nil
		a.settle(f, origin, began)
	}()
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
		f.allowed, f.err = a.origin(ctx, origin)
	case <-ctx.Done():
		f.err = errAskTimeout
	}
}

// settle remembers the result, unless it is an error. It may come too late for those
// who waited; it is as old as the call all the same.
func (a *asker) settle(f *flight, origin string, began time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.err == nil {
		delete(a.known[!f.allowed], origin)
		room := a.known[f.allowed]
		if _, ok := room[origin]; !ok && len(room) >= maxAnswers {
			for other := range room { // any one: iteration begins anywhere
				delete(room, other)
				break
			}
		}
		room[origin] = began.Add(answerLife)
	}
	delete(a.flights, origin)
	close(f.done)
}
