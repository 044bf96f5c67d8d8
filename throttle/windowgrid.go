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
// Counts above cellMax are kept in lots of the size lot. What is not a whole lot
// is the rest, which belongs to the newest cell: where a new one begins, the rest
// goes over to it. So fewer than lot units may leave later than their cell does,
// none leaves early, and what is left of the count is known to the unit.
type grid struct {
	w      *window
	count  int
	period moment
	width  moment // of a cell
	step   moment
	lot    int

	base moment
	tail moment // number of the oldest cell that may hold lots: less than gridCells
	head moment // number of the newest cell that was charged
	lots int    // in all cells
	rest int    // units: less than lot
}

// Places in window.words: base, the three numbers, and four cells in each of
// the others.
const (
	wordBase = iota
	wordSums // lots<<32 | tail<<24 | rest
	wordCells
)

func (w *window) grid(r Rate) grid {
	period := moment(r.Period)
	width := grain(period, gridCells-1, period)
	base, sums := moment(w.words[wordBase]), w.words[wordSums] //nolint:gosec // written by save
	return grid{
		w: w, count: r.Count, period: period, width: width, step: grain(width, cellSteps, period),
		lot:  (r.Count + cellMax - 1) / cellMax, // less than 1<<20
		base: base,
		tail: moment(sums >> 24 & 0xff),
		head: (w.until - period - base) / width,
		lots: int(sums >> 32),
		rest: int(sums & 0xffffff),
	}
}

// grain returns a part of whole, rounded up: to a microsecond where the period is
// of such, so that a store that counts in microseconds has the same cells.
func grain(whole, parts, period moment) moment {
	part := (whole + parts - 1) / parts
	if micro := moment(time.Microsecond); period%micro == 0 {
		part = (part + micro - 1) / micro * micro
	}
	return part
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
	for g.lots > 0 {
		lots, leaves := g.cell(g.tail)
		if lots > 0 && leaves > now {
			break
		}
		g.setCell(g.tail, 0, 0)
		g.lots -= lots
		g.tail++
	}
	switch {
	case g.empty(now):
		g.base, g.tail, g.rest = now, 0, 0
	case g.lots == 0: // a later cell may get the place of an older one
		g.tail = g.head
	}
	for g.tail >= gridCells { // keep the numbers small
		g.base += gridCells * g.width
		g.tail -= gridCells
		g.head -= gridCells
	}
}

// empty reports whether no unit is left. The last ones may be no whole lot.
func (g *grid) empty(now moment) bool { return g.w.until <= now }

// remaining returns how many units are not live.
func (g *grid) remaining() int { return g.count - g.lots*g.lot - g.rest }

// wait returns how long until cost, which is at most the count, can be charged.
func (g *grid) wait(now moment, cost int) time.Duration {
	over, lots := cost-g.remaining(), g.lots
	leaves := now
	for n := g.tail; over > 0; n++ {
		if lots == 0 { // it has to wait for the rest, too
			return time.Duration(g.w.until - now)
		}
		var left int
		if left, leaves = g.cell(n); left > 0 {
			lots -= left
			over -= left * g.lot
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
	res.Remaining = g.remaining()
	g.save()
}

// save writes g back to the window.
func (g *grid) save() {
	g.w.words[wordBase] = uint64(g.base)                                           //nolint:gosec // read back by window.grid
	g.w.words[wordSums] = uint64(g.lots)<<32 | uint64(g.tail)<<24 | uint64(g.rest) //nolint:gosec // each fits its place
}

func (g *grid) charge(now moment, r Rate, cost int) {
	n := (now - g.base) / g.width
	limited := g.w.limitedUntil()
	g.head, g.w.until = n, now+g.period
	begin := g.base + n*g.width
	g.add(cost, (now-begin+g.step-1)/g.step)
	g.w.note(r, g.remaining(), max(limited, now+moment(g.wait(now, cost))))
}

// add puts units, with the rest that there is, into the newest cell.
func (g *grid) add(units int, step moment) {
	units += g.rest
	more := units / g.lot
	g.rest = units % g.lot
	g.lots += more
	lots, _ := g.cell(g.head)
	g.setCell(g.head, lots+more, step)
}

// giveBack takes units out of cell n, as far as they are in it. What an older cell
// gives beyond them, to fill a lot, goes to the newest.
func (g *grid) giveBack(n moment, units int) {
	if n == g.head { // the rest is in it
		fromRest := min(units, g.rest)
		g.rest -= fromRest
		units -= fromRest
	}
	lots, _ := g.cell(n)
	back := min((units+g.lot-1)/g.lot, lots)
	g.lots -= back
	word, shift := g.place(n)
	*word -= uint64(back) << shift //nolint:gosec // at most the cell's lots
	word, shift = g.place(g.head)
	g.add(max(back*g.lot-units, 0), moment(*word>>shift&0xffff)>>cellBits)
}

// giveGrid takes units out of the cell in which they were charged.
func (w *window) giveGrid(now moment, it *Item) {
	g := w.grid(it.Rate)
	g.advance(now)
	n := (it.At - g.base) / g.width
	if it.At >= g.base && n >= g.tail && it.At+g.period > now { // else it has left
		g.giveBack(n, it.Cost)
		if g.lots == 0 && g.rest == 0 {
			*w = window{}
			return
		}
		w.note(it.Rate, g.remaining(), now+moment(g.wait(now, it.Cost)))
	}
	g.save()
}
