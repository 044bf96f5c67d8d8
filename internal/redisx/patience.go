package redisx

import "time"

// steps is in how many a call waits for a silent server.
const steps = 5

// punctual is the part of a step by which it may end late and count: later ones show
// that there are too few processors, for this process and so for a server beside it,
// and the call waits on to its limit.
const punctual = 8

// A patience tells, for one call, whether Redis is silent or this process slow: with
// hundreds of requests at once, a reply may have come long before there was a
// processor to read it, or a connection to ask for it.
type patience struct {
	c       *Client
	step    time.Duration
	began   time.Time
	stepped time.Time     // when the step began
	first   int64         // replies to anyone when the call began
	heard   int64         // and when last looked at
	silent  int           // punctual steps since then
	late    time.Duration // by how much other steps took too long
}

func (c *Client) newPatience(now time.Time) patience {
	heard := c.answered.Load()
	return patience{c: c, step: c.wait / steps, began: now, stepped: now, first: heard, heard: heard}
}

// exhausted ends a step. It reports whether Redis has been silent for as long as the
// client waits, not counting steps that ended late: a reply may lie there unread.
func (p *patience) exhausted(now time.Time) bool {
	heard, late := p.c.answered.Load(), p.lateness(now)
	p.stepped = now
	switch {
	case heard != p.heard:
		p.heard, p.silent = heard, 0
	case late > p.step/punctual:
		p.late += late
	default:
		p.silent++
	}
	return p.silent == steps
}

// lateness returns by how much the step has taken too long by now.
func (p *patience) lateness(now time.Time) time.Duration { return max(now.Sub(p.stepped)-p.step, 0) }

// ours reports whether a call that got no reply by now has waited for this process:
// others got replies, or it did not run for most of the time.
func (p *patience) ours(now time.Time) bool {
	return p.c.answered.Load() != p.first || p.late+p.lateness(now) > now.Sub(p.began)/2
}
