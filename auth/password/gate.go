package password

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
)

// ErrBusy is the error while too many hashes are being computed or waited for. It
// says nothing about the password. What a [Hasher] returns is also a
// [rampart.Problem]: 503 "busy" with Retry-After.
var ErrBusy = errors.New("password: too many hashes at once")

func busy() error {
	return fmt.Errorf("%w: %w", ErrBusy, &rampart.Problem{
		Status: http.StatusServiceUnavailable, Code: "busy", Detail: "Too many log-ins at once.", Header: http.Header{"Retry-After": {"1"}},
	})
}

// A gate lets a number of callers through at once, and a further number wait.
// The zero gate lets nobody through.
type gate struct {
	tickets chan struct{} // of those inside and those that wait
	slots   chan struct{} // of those inside
	wait    time.Duration // for a slot
}

func newGate(parallel, queue int, wait time.Duration) gate {
	return gate{tickets: make(chan struct{}, parallel+queue), slots: make(chan struct{}, parallel), wait: wait}
}

// enter returns nil when the caller may go on, and must then leave.
func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.tickets <- struct{}{}:
	default:
		return busy()
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(g.wait)
	defer late.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-late.C:
		<-g.tickets
		return busy()
	case <-ctx.Done():
		<-g.tickets
		return ctx.Err()
	}
}

// contended reports whether anybody waits.
func (g gate) contended() bool { return len(g.tickets) > len(g.slots) }

func (g gate) leave() {
	<-g.slots
	<-g.tickets
}
