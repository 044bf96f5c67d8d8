package throttle

import "time"

// The grid divides the period into gridCells-1 cells. A cell holds how many
// units were charged in it and when the last of them was, rounded up to 1/15
// of the cell; all of them leave together, one period after that moment. So a
// unit may leave late, by less than one cell, but never early, and a burst
// leaves when its last unit does. Of the newest cell that moment is known
// exactly, and the first cell begins with the first charge after an empty
// window: a caller who sends everything at once, every period, is never
// refused for rounding.
const (
	gridCells = 52
	cellSteps = 15
	cellBits  = 12 // of a cell's word for its count, the other 4 for the step
	cellMax   = 1<<cellBits - 1
)

// grid is the view of a window for one decision. Cells are numbered from the
// one that begins at base; number n is kept at n modulo gridCells.
//
// Counts above cellMax are kept in lots of the size lot. A charge buys the
// lots that it needs; what it leaves of the last one is spare and pays for
// later charges. Those may outlive the cell of that lot, so by fewer than one
// lot more may be live than the cells say, and the limit is lowered by that.
type grid struct {
	w      *window
	period moment
	width  moment // of a cell
	step   moment
	lot    int
	limit  int // lots, lowered as said above

	base  moment
	tail  moment // number of the oldest cell that may hold lots: less than gridCells
	head  moment // number of the newest cell that was charged
	total int    // lots in all cells
	spare int    // units
}

// Places in window.words: base, the three numbers, and four cells in each of
// the others.
const (
	wordBase = iota
	wordSums // total<<32 | tail<<24 | spare
	wordCells
)

func (w *window) grid(r Rate) grid {
	period := moment(r.Period)
	width := (period + gridCells - 2) / (gridCells - 1)
	lot := (r.Count + cellMax - 1) / cellMax                   // less than 1<<20
	base, sums := moment(w.words[wordBase]), w.words[wordSums] //nolint:gosec // written by save
	return grid{
		w: w, period: period, width: width, step: (width + cellSteps - 1) / cellSteps,
		lot: lot, limit: (r.Count - lot + 1) / lot,
		base:  base,
		tail:  moment(sums >> 24 & 0xff),
		head:  (w.until - period - base) / width,
		total: int(sums >> 32),
		spare: int(sums & 0xffffff),
	}
}

// place returns where cell n is kept.
func (g *grid) place(n moment) (word *uint64, shift moment) {
	i := n % gridCells
	return &g.w.words[wordCells+i/4], i % 4 * 16
}

// cell returns the lots of cell n and when they leave.
func (g *grid) cell(n moment) (lots int, leaves moment) {
	word, shift := g.place(n)
	c := moment(*word >> shift & 0xffff)
	if lots = int(c & cellMax); n == g.head {
		return lots, g.w.until
	}
	last := min(c>>cellBits*g.step, g.width)
	return lots, g.base + n*g.width + last + g.period
}

func (g *grid) setCell(n moment, lots int, step moment) {
	word, shift := g.place(n)
	*word = *word&^(0xffff<<shift) | uint64(step<<cellBits|moment(lots))<<shift //nolint:gosec // 4 and 12 bits
}

// advance drops what has left by now. An empty grid begins anew at now.
func (g *grid) advance(now moment) {
	for g.total > 0 {
		lots, leaves := g.cell(g.tail)
		if lots > 0 && leaves > now {
			break
		}
		g.setCell(g.tail, 0, 0)
		g.total -= lots
		g.tail++
	}
	if g.empty(now) {
		g.base, g.tail, g.spare = now, 0, 0
	}
	for g.tail >= gridCells { // keep the numbers small
		g.base += gridCells * g.width
		g.tail -= gridCells
		g.head -= gridCells
	}
}

// empty reports whether no unit is left. It asks not for total: the last units
// may have been paid out of what an earlier cell had spare.
func (g *grid) empty(now moment) bool { return g.w.until <= now }

// lots returns how many lots a charge of cost buys.
func (g *grid) lots(cost int) int { return (max(cost-g.spare, 0) + g.lot - 1) / g.lot }

// wait returns how long until cost, which is at most the count, can be charged.
func (g *grid) wait(now moment, cost int) time.Duration {
	if g.empty(now) {
		return 0
	}
	leaves, total, need := now, g.total, g.lots(cost)
	for n := g.tail; total+need > g.limit; n++ {
		if total == 0 { // it needs the window for itself
			return time.Duration(g.w.until - now)
		}
		var lots int
		if lots, leaves = g.cell(n); lots > 0 {
			total -= lots
		}
	}
	return time.Duration(leaves - now)
}

func (w *window) takeGrid(now moment, it *Item, res *Result) {
	g := w.grid(it.Rate)
	g.advance(now)
	asked := it.asked()
	if asked > it.Rate.Count {
		res.RetryAfter = Never
	} else if res.RetryAfter = g.wait(now, asked); it.Cost > 0 {
		if res.RetryAfter > 0 {
			w.refuse(now + moment(res.RetryAfter))
		} else {
			g.charge(now, it.Rate, it.Cost)
		}
	}
	res.Remaining = g.remaining(it.Rate, now)
	g.save()
}

func (g *grid) remaining(r Rate, now moment) int {
	switch {
	case g.empty(now):
		return r.Count
	case g.total > g.limit: // one charge took nearly all
		return 0
	}
	return (g.limit-g.total)*g.lot + g.spare
}

// save writes g back to the window.
func (g *grid) save() {
	g.w.words[wordBase] = uint64(g.base)                                             //nolint:gosec // read back by window.grid
	g.w.words[wordSums] = uint64(g.total)<<32 | uint64(g.tail)<<24 | uint64(g.spare) //nolint:gosec // each fits its place
}

func (g *grid) charge(now moment, r Rate, cost int) {
	n := (now - g.base) / g.width
	bought := g.lots(cost)
	g.spare += bought*g.lot - cost
	g.total += bought
	limited := g.w.limitedUntil()
	g.head, g.w.until = n, now+g.period
	lots, _ := g.cell(n)
	begin := g.base + n*g.width
	g.setCell(n, lots+bought, (now-begin+g.step-1)/g.step)
	g.w.note(r, g.remaining(r, now), max(limited, now+moment(g.wait(now, cost))))
}

// giveBack takes units out of cell n. What is not a whole lot becomes spare
// only in the newest cell: later charges would outlive the lot of an older one.
func (g *grid) giveBack(n moment, cost int) {
	newest := n == g.head
	if newest {
		cost += g.spare
	}
	lots, _ := g.cell(n)
	back := min(cost/g.lot, lots)
	g.total -= back
	if newest {
		g.spare = min(cost-back*g.lot, g.lot-1)
	}
	word, shift := g.place(n)
	*word -= uint64(back) << shift //nolint:gosec // at most the cell's lots
}

// giveGrid takes units out of the cell in which they were charged.
func (w *window) giveGrid(now moment, it *Item) {
	g := w.grid(it.Rate)
	g.advance(now)
	n := (it.At - g.base) / g.width
	if it.At >= g.base && n >= g.tail && it.At+g.period > now { // else it has left
		g.giveBack(n, it.Cost)
		w.note(it.Rate, g.remaining(it.Rate, now), now+moment(g.wait(now, it.Cost)))
	}
	g.save()
}
