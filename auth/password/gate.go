package password

import (
	"context"
	"errors"
)

// ErrBusy is the error while too many hashes are being computed or waited for.
// Answer 503 with Retry-After: 1; it says nothing about the password.
var ErrBusy = errors.New("password: too many hashes at once")

// A gate lets a number of callers through at once, and a further number wait.
// The zero gate lets nobody through.
type gate struct {
	tickets chan struct{} // of those inside and those that wait
	slots   chan struct{} // of those inside
}

func newGate(parallel, queue int) gate {
	return gate{tickets: make(chan struct{}, parallel+queue), slots: make(chan struct{}, parallel)}
}

// enter returns nil when the caller may go on, and must then leave.
func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.tickets <- struct{}{}:
	default:
		return ErrBusy
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-g.tickets
		return ctx.Err()
	}
}

func (g gate) leave() {
	<-g.slots
	<-g.tickets
}
