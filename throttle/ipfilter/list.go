package ipfilter

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// A Block is what [Filter.Block] refuses, and until when.
type Block struct {
	Prefix netip.Prefix // as Block took it, in its shortest form
	Until  time.Time    // from then on it is served again
}

// Blocks returns the blocks that hold now, in the order of their prefixes. It is
// for operators: it looks at all of them.
func (f *Filter) Blocks() []Block {
	if f.blocks == nil {
		return nil
	}
	b := f.blocks
	now := time.Now()
	var list []Block
	b.mu.RLock()
	for i := range b.families {
		for length, table := range b.families[i].all {
			for k, end := range table {
				if until := time.UnixMicro(end); now.Before(until) {
					list = append(list, Block{netip.PrefixFrom(k.addr(i == 0), length), until})
				}
			}
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(list, func(a, b Block) int { return a.Prefix.Compare(b.Prefix) })
	return list
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
