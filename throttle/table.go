package throttle

import "math/bits"

// rowSize is how many slots a row has. A key may live in one of two rows, the
// emptier of which takes it in, so that rows fill evenly.
const rowSize = 12

// row keeps the tags of its slots together: finding a key reads one cache line
// and then the slot.
type row[S any] struct {
	tags  [rowSize]uint64
	slots [rowSize]S
}

// table is a hash table that never grows. A slot is free when nothing of it is
// used any more, whatever its tag.
type table[S any, P slot[S]] struct {
	rows    []row[S] // nil: not made yet
	scratch S        // for a look that must not be kept
}

// rowsOf returns the two rows for hash; they may be the same.
func (t *table[S, P]) rowsOf(hash uint64) [2]*row[S] {
	n := uint64(len(t.rows))
	first, _ := bits.Mul64(hash<<shardBits, n) // the bits above chose the shard
	second, _ := bits.Mul64(bits.ReverseBytes64(hash)*0x9e3779b97f4a7c15, n)
	return [2]*row[S]{&t.rows[first], &t.rows[second]}
}

// find returns the slot of tag, or nil.
func (t *table[S, P]) find(hash, tag uint64) P {
	if t.rows == nil {
		return nil
	}
	for _, r := range t.rowsOf(hash) {
		for i, other := range r.tags {
			if other == tag {
				return &r.slots[i]
			}
		}
	}
	return nil
}

// insert returns a slot, all zero, for a tag that find did not find, or nil.
func (t *table[S, P]) insert(hash, tag uint64, now moment) P {
	c := t.candidate(hash, now)
	if c.row == nil {
		return nil
	}
	c.row.tags[c.index] = tag
	c.row.slots[c.index] = *new(S)
	return c.slot()
}

// candidate is a slot that a new key could have; its row is nil if there is
// none.
type candidate[S any, P slot[S]] struct {
	row   *row[S]
	index int
	used  float32
	free  int // free slots in the row
}

func (c candidate[S, P]) slot() P { return &c.row.slots[c.index] }

// candidate returns a slot in the emptier of the two rows of hash. If both are
// full, it is the one that has used the least share of its limit, so that a
// flood of callers who come once drives out itself. Who is being limited keeps
// its slot: a fresh start is what it would like.
func (t *table[S, P]) candidate(hash uint64, now moment) candidate[S, P] {
	rows := t.rowsOf(hash)
	a, b := candidateIn[S, P](rows[0], now), candidateIn[S, P](rows[1], now)
	if b.free > a.free || b.free == a.free && b.used < a.used {
		return b
	}
	return a
}

func candidateIn[S any, P slot[S]](r *row[S], now moment) candidate[S, P] {
	least := candidate[S, P]{used: 2}
	for i := range r.slots {
		used := P(&r.slots[i]).used(now)
		if used <= 0 {
			least.free++
		}
		if used <= limited && used < least.used {
			least.row, least.index, least.used = r, i, used
		}
	}
	return least
}

// reset frees the slots of the key with hash, whatever the rate.
func (t *table[S, P]) reset(hash uint64) {
	if t.rows == nil {
		return
	}
	for _, r := range t.rowsOf(hash) {
		for i, tag := range r.tags {
			if sameKey(tag, hash) {
				r.slots[i] = *new(S)
			}
		}
	}
}
