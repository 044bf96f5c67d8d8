package throttle

import (
	"encoding/binary"
	"time"
)

// Step decides about items as a [Memory] does, for a [Store] that keeps their buckets
// elsewhere: read the states of all items, call Step, write the states back, all in one
// atomic step of that store. states has one state for each item, as an earlier Step left
// it; an empty one is a full bucket, so one whose [Result].ResetAfter has passed may be
// dropped. Step charges all items or none, reports which, and fills out. It puts new
// states, of 128 bytes at most, in the place of those that changed.
//
// now is the store's own time, so that all who share it go by one clock. Where it was set
// back, charges in the future are taken for charges at now, so that nobody waits longer
// than for an empty bucket; a refusal, too, then changes a state.
func Step(now time.Time, items []Item, states [][]byte, out []Result) (allowed bool) {
	at, allowed := now.UnixNano(), true
	next := make([][]byte, len(items))
	for i := range items {
		var ok bool
		out[i] = Result{Policy: items[i].Policy}
		if next[i], ok = items[i].Algorithm.known().take(at, &items[i], states[i], &out[i]); !ok {
			allowed = false
		}
	}
	for i := range items {
		if allowed {
			states[i] = next[i]
			continue
		}
		peek, retry := items[i], out[i].RetryAfter
		peek.Cost = 0
		states[i], _ = items[i].Algorithm.known().take(at, &peek, states[i], &out[i]) // what is left, not what would be
		if items[i].Cost > 0 {
			out[i].RetryAfter = retry
		}
	}
	return allowed
}

// StepBack takes charges back, as [Store].Give does, with states as in [Step].
func StepBack(now time.Time, items []Item, states [][]byte) {
	for i := range items {
		states[i] = items[i].Algorithm.known().give(now.UnixNano(), &items[i], states[i])
	}
}

// stored is a slot that can be kept as bytes.
type stored[S any] interface {
	slot[S]
	append(dst []byte) []byte
	read(state []byte)
	setBack(now moment, r Rate) // takes charges after now for charges at now
}

func takeStored[S any, P stored[S]](now moment, it *Item, state []byte, res *Result) ([]byte, bool) {
	s := P(new(S))
	s.read(state)
	s.setBack(now, it.Rate)
	ok := s.take(now, it, res)
	return s.append(nil), ok
}

func giveStored[S any, P stored[S]](now moment, it *Item, state []byte) []byte {
	s := P(new(S))
	s.read(state)
	s.setBack(now, it.Rate)
	s.give(now, it)
	return s.append(nil)
}

// append leaves out what only the eviction from a Memory asks for, and zeros at the end.
func (w *window) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.until)) //nolint:gosec // read back below
	n := len(w.words)
	for n > 0 && w.words[n-1] == 0 {
		n--
	}
	for _, word := range w.words[:n] {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}

func (w *window) read(state []byte) {
	if len(state) >= 8 {
		w.until, state = moment(binary.LittleEndian.Uint64(state)), state[8:] //nolint:gosec // written by append
	}
	for i := 0; i < len(w.words) && len(state) >= 8; i, state = i+1, state[8:] {
		w.words[i] = binary.LittleEndian.Uint64(state)
	}
}

func (w *window) setBack(now moment, r Rate) {
	ahead := w.until - moment(r.Period) - now
	if ahead <= 0 {
		return
	}
	w.until -= ahead
	if r.Count > logSize {
		w.words[wordBase] -= uint64(ahead)
		return
	}
	for i, word := range w.words {
		w.words[i] = min(word, uint64(now)) //nolint:gosec // after 1970
	}
}

func (b *bucket) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.full)) //nolint:gosec // read back below
	return binary.LittleEndian.AppendUint32(dst, b.frac)
}

func (b *bucket) read(state []byte) {
	if len(state) >= 12 {
		b.full = moment(binary.LittleEndian.Uint64(state)) //nolint:gosec // written by append
		b.frac = binary.LittleEndian.Uint32(state[8:])
	}
}

func (b *bucket) setBack(now moment, r Rate) {
	if size, frac := share(r.burst(), r); b.full > now+size {
		b.full, b.frac = now+size, frac
	}
}
