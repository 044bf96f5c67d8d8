package monitor

import (
	"context"
	"time"
)

// alertQueue is how many alerts wait for the alert function.
const alertQueue = 64

// start starts the goroutine that calls the alert function. It ends with Close.
func (m *monitor) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.queue = make(chan Alert, alertQueue)
	m.stop, m.ended, m.cancel = make(chan struct{}), make(chan struct{}), cancel
	go func() {
		defer close(m.ended)
		for {
			select {
			case a := <-m.queue:
				m.call(ctx, a)
				continue
			default:
			}
			select {
			case a := <-m.queue:
				m.call(ctx, a)
			case <-m.stop:
				return
			}
		}
	}()
}

func (m *monitor) call(ctx context.Context, a Alert) {
	defer func() {
		if recover() != nil {
			m.mu.Lock()
			m.panics++
			m.mu.Unlock()
		}
	}()
	m.alert(ctx, a)
}

// Close writes what is pending, as [Monitor.Flush] does, and ends the Monitor's
// goroutine. The alert function gets 5 s for what is
// queued, then its ctx ends; if it does not return within another second, Close
// returns [ErrAlertStuck]. Records are still passed on and counted afterwards;
// alerts are then only logged. Close may be called again.
func (m *Monitor) Close() error {
	m.Flush()
	if m.monitor == nil || m.queue == nil {
		return nil
	}
	m.once.Do(func() { close(m.stop) })
	defer m.cancel()
	if m.endsWithin(closeGrace) {
		return nil
	}
	m.cancel()
	if m.endsWithin(time.Second) {
		return nil
	}
	return ErrAlertStuck
}

func (m *monitor) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.ended:
		return true
	case <-timer.C:
		return false
	}
}
