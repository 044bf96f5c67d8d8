package throttleredis

import (
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// A window has the cells that it has in a throttle.Memory, so that both decide
// alike: a period spans so many of them, and up to a count of exact each unit
// has its own moment.
const (
	cells = 51
	exact = 16
)

// windowLayout is the form of a window's state. A new form needs a new number:
// Redis may hold states of the old one.
const windowLayout = 3

// The state of a throttle.SlidingWindow is when its newest cell began, how many
// units it holds, and the cells, oldest first: when the last unit of each was
// charged, rounded up to a whole number of steps from its beginning except in the
// newest; that number; and how many units there are. All of a cell leave together,
// one period after that moment: late by less than the width of a cell, never early.
// With a width of 0 each cell is one microsecond, and the window exact. Where a new
// cell begins, what is no whole lot in the one before goes over to it.
//
// a is the period, b the width of a cell, c the count, d the cost, e the moment
// of the charge that is given back.
const (
	// luaWindow drops what has left.
	luaWindow = `
		local width, lot, first, total, last, from = max(b, 1), ceil(c / 4095), 0, 0, -a, 17
		local step = ceil(width / 15)
		if #state > 16 then
			first, total = unpack('<dd', state)
			last = unpack('<d', state, #state - 12)
			if last > now then
				local back = last - now
				first, last = first - back, now
				local set = {pack('<dd', first, total)}
				for j = 17, #state, 13 do
					set[#set + 1] = pack('<d', unpack('<d', state, j) - back) .. sub(state, j + 8, j + 12)
				end
				state = table.concat(set)
			end
		end
		while from < #state do
			local t, _, n = unpack('<dBI4', state, from)
			if t + a > now then break end
			total, from = total - n, from + 13
		end
`

	windowTake = luaWindow + `
		left, leftRest, reset, wait = max(c - total, 0), 0, last + a - now, 0
		local over, j = total + d - c, from
		while over > 0 and j < #state do
			local t, _, n = unpack('<dBI4', state, j)
			over, wait, j = over - n, t + a - now, j + 13
		end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1, ends = left - d, 0, a, now + a
			local n, cells = d, ''
			if from > #state then
				first = now
			else
				cells = sub(state, from, -14)
				local newest = unpack('<I4', state, #state - 3)
				if now - first < width then
					n = n + newest
				else
					local rest, steps = newest % lot, ceil((last - first) / step)
					if newest > rest then
						cells = cells .. pack('<dBI4', first + math.min(steps * step, width), steps, newest - rest)
					end
					n, first = n + rest, now - (now - first) % width
				end
			end
			value = pack('<c8dI2dd', rate, ends, #cells + 29, first, total + d) .. cells .. pack('<dBI4', now, 0, n)
		end
`

	windowGive = luaWindow + `
		ends = last + a
		for j = from, #state, 13 do
			local t, steps, n = unpack('<dBI4', state, j)
			local newest, begin = j + 12 == #state, first
			if not newest then begin = t - math.min(steps * step, width) end
			if begin <= e and e < begin + width and e + a > now then
				local cells, back, more = sub(state, from, j - 1), math.min(d, n), 0
				if not newest then
					back = math.min(ceil(d / lot) * lot, n)
					more = max(back - d, 0)
				end
				if n > back or newest and b > 0 then cells = cells .. pack('<dBI4', t, steps, n - back) end
				if not newest then
					cells = cells .. sub(state, j + 13, -5) .. pack('<I4', unpack('<I4', state, #state - 3) + more)
				end
				total = total - back + more
				if total == 0 then
					ends, state = 0, ''
				else
					if b == 0 then
						first = unpack('<d', cells, #cells - 12)
						ends = first + a
					end
					state = pack('<dd', first, total) .. cells
				end
				break
			end
		end
`
)

func windowNumbers(r throttle.Rate, _, asked int, at int64) [5]int64 {
	period := int64((r.Period + time.Microsecond - 1) / time.Microsecond) // rounded up
	width := (period + cells - 1) / cells
	if r.Count <= exact {
		width = 0
	}
	return [5]int64{period, width, int64(r.Count), int64(asked), at}
}

func windowResult(x item, _ time.Duration, left, _, full int64) (int, int64) {
	return int(min(left, int64(x.limit))), full
}
