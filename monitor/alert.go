package monitor

import (
	"context"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
)

// alertQueue is how many alerts wait for the alert function.
const alertQueue = 64

// start starts the goroutine that calls the alert function. It ends with Close. What it
// has to say goes to next.
func (m *monitor) start(next slog.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	m.queue = make(chan Alert, alertQueue)
	m.stop, m.ended, m.cancel = make(chan struct{}), make(chan struct{}), cancel
	go func() {
		defer close(m.ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case a := <-m.queue:
				m.call(ctx, next, a)
				continue
			default:
			}
			select {
			case a := <-m.queue:
				m.call(ctx, next, a)
			case <-tick.C:
				m.resolve(ctx, next)
			case <-m.stop:
				return
			}
		}
	}()
}

// resolve queues the alerts that are over, as far as there is room: behind those that
// began.
func (m *monitor) resolve(ctx context.Context, next slog.Handler) {
	var over []Alert
	m.mu.Lock()
	for _, r := range m.rules {
		r.resolve(time.Now(), func(a Alert) bool {
			select {
			case m.queue <- a:
				over = append(over, a)
				m.counts.add(Occurrence{Event: rampart.SysAlert, Count: 1, rec: a.record()})
				return true
			default:
				return false
			}
		})
	}
	m.mu.Unlock()
	for _, a := range over {
		if next.Enabled(ctx, rampart.SysAlert.Level()) {
			_ = next.Handle(ctx, a.record()) // the next handler has nobody else to report to
		}
	}
}

func (m *monitor) call(ctx context.Context, next slog.Handler, a Alert) {
	defer func() {
		if recover() != nil {
			m.mu.Lock()
			m.panics++
			m.mu.Unlock()
		}
	}()
	err := m.alert(ctx, a)
	if err == nil {
		return
	}
	m.mu.Lock()
	for _, r := range m.rules {
		if r.Name == a.Rule {
			r.failed++
		}
	}
	m.mu.Unlock()
	slog.New(next).LogAttrs(ctx, slog.LevelError, "an alert was not delivered", slog.String("rule", a.Rule), rampart.Text("error", err.Error()))
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
