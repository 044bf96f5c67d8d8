package throttle

// Window is the state of one SlidingWindow, for tests that bring their own clock:
// a million random schedules are too many for one that sleeps.
type Window struct{ state window }

// Take charges it at a time in nanoseconds.
func (w *Window) Take(now int64, it *Item, res *Result) bool {
	*res = Result{}
	return w.state.take(epoch+now, it, res)
}

// CountRefusal returns what counts a refusal for [Limiter.Refused].
func CountRefusal() func(*Item) { return newRefused().count }

// InFlight returns how many requests have a place or a key in c.
func (c *Concurrent) InFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running + len(c.keys) + c.queue.Len()
}
