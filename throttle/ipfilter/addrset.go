package ipfilter

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// addrSet is a set of addresses: ranges that neither overlap nor touch, in
// order, IPv4 and IPv6 apart.
//
// Which prefix an address is in does not matter here, so overlapping prefixes
// become one range. In a long list, an index by the leading 16 bits leaves few
// ranges to look through.
type addrSet struct {
	v4, v6 ranges
}

// ranges holds, for each value b of the leading 16 bits, the ranges that end at
// or after the first address of b: index[b] is the number of the first.
type ranges struct {
	list  []addrRange
	index []uint32 // 1<<16 + 1 numbers; nil if list is short
}

// addrRange is an inclusive range.
type addrRange struct{ first, last key }

// key is an address as a number. IPv4 takes the upper 32 bits.
type key struct{ hi, lo uint64 }

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

const (
	lead  = 48  // how far up in key.hi the leading 16 bits are
	short = 256 // a list that needs no index
)

func keyOf(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// lastOf returns the last address of a prefix that begins at first.
func lastOf(first key, bits int) key {
	if bits < 64 {
		return key{first.hi | math.MaxUint64>>bits, math.MaxUint64}
	}
	return key{first.hi, first.lo | math.MaxUint64>>(bits-64)}
}

func newAddrSet(prefixes []netip.Prefix) addrSet {
	var v4, v6 []addrRange
	for _, p := range prefixes {
		first := keyOf(p.Addr())
		r := addrRange{first, lastOf(first, p.Bits())}
		if p.Addr().Is4() {
			v4 = append(v4, r)
		} else {
			v6 = append(v6, r)
		}
	}
	return addrSet{newRanges(v4), newRanges(v6)}
}

func newRanges(list []addrRange) ranges {
	if len(list) == 0 {
		return ranges{}
	}
	slices.SortFunc(list, func(a, b addrRange) int {
		switch {
		case a.first.less(b.first):
			return -1
		case b.first.less(a.first):
			return 1
		}
		return 0
	})
	merged := list[:1]
	for _, r := range list[1:] {
		last := &merged[len(merged)-1].last
		if last.less(r.first) {
			merged = append(merged, r)
		} else if last.less(r.last) {
			*last = r.last
		}
	}
	s := ranges{list: slices.Clip(merged)}
	if len(s.list) <= short {
		return s
	}
	s.index = make([]uint32, 1<<16+1)
	n := uint32(0)
	for b := range uint64(1 << 16) {
		for int(n) < len(s.list) && s.list[n].last.less(key{hi: b << lead}) {
			n++
		}
		s.index[b] = n
	}
	s.index[1<<16] = uint32(len(s.list)) //nolint:gosec // a slice of 2^32 prefixes does not fit in memory
	return s
}

func (s *addrSet) contains(a netip.Addr) bool {
	if a.Is4() {
		return s.v4.contains(keyOf(a))
	}
	return s.v6.contains(keyOf(a))
}

// contains finds the first range that does not end before k.
func (s *ranges) contains(k key) bool {
	low, high := 0, len(s.list)
	if s.index != nil {
		b := k.hi >> lead
		low, high = int(s.index[b]), int(s.index[b+1])
	}
	for low < high {
		mid := int(uint(low+high) >> 1)
		if s.list[mid].last.less(k) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low < len(s.list) && !k.less(s.list[low].first)
}
