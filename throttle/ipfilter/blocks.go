package ipfilter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/bits"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// Errors of [Filter.Block] and [Filter.Unblock] that are not the feed's. Those of Block
// hold a [rampart.Problem] of an operator's call, with the members "prefix" and "until".
var (
	// ErrPrefix is returned for a prefix that is invalid, or so short (less than /8
	// of IPv4, /16 of IPv6) that it can only be a mistake: use Config.Deny.
	ErrPrefix = errors.New("ipfilter: not a prefix that can be blocked")
	// ErrUntil is returned for a time that is past, or more than 366 days ahead.
	ErrUntil = errors.New("ipfilter: a block ends in the next 366 days")
	// ErrFull is returned when Config.MaxBlocks blocks are live.
	ErrFull = errors.New("ipfilter: no room for another block")

	errZero = errors.New("ipfilter: the filter was not made by New")
)

const (
	blocksTopic = "ipfilter.blocks"
	maxBlock    = 366 * 24 * time.Hour

	// clockMargin is what the clocks of the instances and of the feed's source may
	// differ by, without a change being forgotten that still means something.
	clockMargin      = time.Minute
	defaultMaxBlocks = 100_000
)

// Block refuses the requests from p until a time, here at once and with the next
// poll of its feed on every other instance; with a feed that keeps its changes, a
// restart forgets nothing. A later Block of the same prefix takes the place of
// an earlier one. The error may be the feed's: the block may then hold or not, so
// order it again. Who orders it is the caller's to report.
func (f *Filter) Block(ctx context.Context, p netip.Prefix, until time.Time) error {
	p, ok := normal(p)
	switch left := time.Until(until); {
	case f.blocks == nil:
		return errZero
	case !ok:
		return invalidBlock(ErrPrefix, "#/prefix", "too_wide", "At least /8 of IPv4, /16 of IPv6.")
	case left <= 0 || left > maxBlock:
		return invalidBlock(ErrUntil, "#/until", "invalid", "Not a time in the next 366 days.")
	case !f.blocks.room(p):
		return fmt.Errorf("%w: %w", ErrFull, &rampart.Problem{Status: http.StatusConflict, Code: "too_many_blocks", Detail: "Lift some, or block wider prefixes."})
	}
	return f.order(ctx, p, until)
}

// Unblock ends a block of exactly that prefix before its time, as [Filter.Block]
// begins it.
func (f *Filter) Unblock(ctx context.Context, p netip.Prefix) error {
	p, ok := normal(p)
	switch {
	case f.blocks == nil:
		return errZero
	case !ok:
		return ErrPrefix
	}
	return f.order(ctx, p, time.UnixMicro(0))
}

func invalidBlock(err error, pointer, code, detail string) error {
	return fmt.Errorf("%w: %w", err, &rampart.Problem{
		Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
		Errors: []rampart.FieldError{{Pointer: pointer, Code: code, Detail: detail}},
	})
}

// normal returns p as the table holds it, and whether it can be blocked.
func normal(p netip.Prefix) (netip.Prefix, bool) {
	addr, length := p.Addr(), p.Bits()
	if addr.Is4In6() {
		addr, length = addr.Unmap(), length-96
	}
	p, err := addr.WithZone("").Prefix(length)
	return p, err == nil && (addr.Is4() && length >= 8 || addr.Is6() && length >= 16)
}

// order makes a change known. Changes are text: the prefix and when its block
// ends, in microseconds since 1970. Each is kept for as long as it means something, and
// as long as the block that it replaces: one that a feed forgot sooner would bring that
// back, for an instance that starts later.
func (f *Filter) order(ctx context.Context, p netip.Prefix, until time.Time) error {
	change := p.String() + " " + strconv.FormatInt(until.UnixMicro(), 10)
	if f.feed != nil {
		keep := max(time.Until(until), time.Until(f.blocks.end(p)), 0) + clockMargin
		return f.feed.Publish(ctx, blocksTopic, []byte(change), keep)
	}
	f.apply([]byte(change), until) //nolint:contextcheck // what others hear from the feed concerns no request
	return nil
}

// apply takes in one change.
func (f *Filter) apply(data []byte, _ time.Time) {
	prefix, end, _ := strings.Cut(string(data), " ")
	p, err := netip.ParsePrefix(prefix)
	micros, err2 := strconv.ParseInt(end, 10, 64)
	p, ok := normal(p)
	if err != nil || err2 != nil || !ok || !f.blocks.set(p, time.UnixMicro(micros)) {
		if c := f.current.Load(); c != nil {
			c.reporter.Report(context.Background(), rampart.SysBackendUnavailable, blocksTopic,
				slog.String("backend", "feed"), slog.String("reason", "a block was not understood or found no room"))
		}
	}
}

// blind reports whether blocks may be missing here and that matters.
func (f *Filter) blind() bool {
	return f.outage == rampart.FailClosed && f.feed != nil && f.feed.Age() > 0
}

// blocks holds the prefixes that are blocked, each until its time, in a table for
// each length. Few lengths are in use at a time.
type blocks struct {
	limit  int
	active atomic.Int64 // how many are held: nothing else is read while there are none

	mu       sync.RWMutex
	families [2]blockTables // IPv4 and IPv6
}

// blockTables holds, by length, when the block of a prefix ends: microseconds
// since 1970, by its first address.
type blockTables struct {
	all  [129]map[key]int64
	used [3]uint64 // the lengths that have a table
}

func newBlocks(limit int) *blocks { return &blocks{limit: limit} }

// table returns where prefixes like p are held; it may be nil.
func (b *blocks) table(p netip.Prefix) map[key]int64 { return b.family(p.Addr()).all[p.Bits()] }

func (b *blocks) family(a netip.Addr) *blockTables {
	if a.Is4() {
		return &b.families[0]
	}
	return &b.families[1]
}

// masked returns the first address of a prefix of that length.
func (k key) masked(length int) key {
	if length <= 64 {
		return key{hi: k.hi & (math.MaxUint64 << (64 - length))}
	}
	return key{k.hi, k.lo & (math.MaxUint64 << (128 - length))}
}

// contains reports whether a is blocked.
func (b *blocks) contains(a netip.Addr) bool {
	if b.active.Load() == 0 {
		return false
	}
	k := keyOf(a)
	b.mu.RLock()
	defer b.mu.RUnlock()
	f := b.family(a)
	for w, word := range f.used {
		for ; word != 0; word &= word - 1 {
			length := 64*w + bits.TrailingZeros64(word)
			if end, ok := f.all[length][k.masked(length)]; ok && time.Now().UnixMicro() < end {
				return true
			}
		}
	}
	return false
}

// end returns when the block of p ends; the zero time if it is not blocked.
func (b *blocks) end(p netip.Prefix) time.Time {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if end, ok := b.table(p)[keyOf(p.Addr())]; ok {
		return time.UnixMicro(end)
	}
	return time.Time{}
}

// room reports whether p can be blocked.
func (b *blocks) room(p netip.Prefix) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.makeRoom(p)
}

// makeRoom drops what has ended if it must. The caller holds the lock.
func (b *blocks) makeRoom(p netip.Prefix) bool {
	if _, ok := b.table(p)[keyOf(p.Addr())]; ok || b.active.Load() < int64(b.limit) {
		return true
	}
	now := time.Now().UnixMicro()
	for i := range b.families {
		f := &b.families[i]
		for length, table := range f.all {
			for k, end := range table {
				if end <= now {
					b.drop(f, length, k)
				}
			}
		}
	}
	return b.active.Load() < int64(b.limit)
}

// set blocks p until then; a time that is past ends its block. It is false if
// there is no room.
func (b *blocks) set(p netip.Prefix, until time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, k := b.family(p.Addr()), keyOf(p.Addr())
	if !time.Now().Before(until) {
		b.drop(f, p.Bits(), k)
		return true
	}
	if !b.makeRoom(p) {
		return false
	}
	table := f.all[p.Bits()]
	if table == nil {
		table = map[key]int64{}
		f.all[p.Bits()] = table
	}
	if _, ok := table[k]; !ok {
		b.active.Add(1)
	}
	table[k] = until.UnixMicro()
	f.used[p.Bits()/64] |= 1 << (p.Bits() % 64)
	return true
}

// drop forgets a prefix. The caller holds the lock.
func (b *blocks) drop(f *blockTables, length int, k key) {
	table := f.all[length]
	if _, ok := table[k]; !ok {
		return
	}
	delete(table, k)
	b.active.Add(-1)
	if len(table) == 0 {
		f.all[length] = nil
		f.used[length/64] &^= 1 << (length % 64)
	}
}
