package redisx

import "time"

// A Patience is that of one call on a clock of the test's own: synctest's is never
// late.
type Patience struct{ p patience }

// NewPatience begins a call of a Client that waits for a second, at time 0.
func NewPatience() *Patience {
	return &Patience{newClient(nil, time.Second, nil).newPatience(time.Time{})}
}

// Answer counts an answer to another call.
func (p *Patience) Answer() { p.p.c.answered.Add(1) }

// Exhausted ends a step.
func (p *Patience) Exhausted(at time.Duration) bool { return p.p.exhausted(time.Time{}.Add(at)) }

// Ours reports whether the wait was for this process.
func (p *Patience) Ours(at time.Duration) bool { return p.p.ours(time.Time{}.Add(at)) }
