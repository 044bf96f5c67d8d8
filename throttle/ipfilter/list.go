package ipfilter

import (
	"encoding/binary"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Blocks yields the blocks that hold now, in the order of their prefixes: each
// prefix in its shortest form, and the time from which it is served again. It is for
// operators: it looks at all of them. What is ordered meanwhile changes nothing of a
// loop that has begun, so a loop may call [Filter.Unblock].
func (f *Filter) Blocks() iter.Seq2[netip.Prefix, time.Time] {
	return func(yield func(netip.Prefix, time.Time) bool) {
		if f.blocks == nil {
			return
		}
		held := f.blocks.held(time.Now())
		for _, p := range slices.SortedFunc(maps.Keys(held), netip.Prefix.Compare) {
			if !yield(p, held[p]) {
				return
			}
		}
	}
}

// held returns what is blocked at a time, each until its time.
func (b *blocks) held(now time.Time) map[netip.Prefix]time.Time {
	all := map[netip.Prefix]time.Time{}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range b.families {
		for length, table := range b.families[i].all {
			for k, end := range table {
				if until := time.UnixMicro(end); now.Before(until) {
					all[netip.PrefixFrom(k.addr(i == 0), length)] = until
				}
			}
		}
	}
	return all
}

// addr is the opposite of keyOf.
func (k key) addr(is4 bool) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	if is4 { // they take the upper 32 bits
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}
