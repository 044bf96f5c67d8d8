package throttleredis

import (
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// cells is how many cells of a window a period spans, and the largest count for
// which it is exact.
const cells = 50

// The state of a throttle.SlidingWindow is when its newest cell began, how many
// units it holds, and the cells, oldest first: when the last unit of each was
// charged, and how many there are. All of a cell leave together, one period after
// that: late by less than the width of a cell, never early. With a width of 0
// each cell is one moment, and the window exact.
//
// a is the period, b the width of a cell, c the count, d the cost, e the moment
// of the charge that is given back.
const (
	// luaWindow drops what has left.
	luaWindow = `
		local first, total, last, from = 0, 0, -a, 17
		if #state > 16 then
			first, total = unpack('<dd', state)
			last = unpack('<d', state, #state - 11)
			if last > now then
				local set = {sub(state, 1, 16)}
				for j = 17, #state, 12 do
					local t, n = unpack('<dI4', state, j)
					set[#set + 1] = pack('<dI4', math.min(t, now), n)
				end
				state, first, last = table.concat(set), math.min(first, now), now
			end
		end
		while from < #state do
			local t, n = unpack('<dI4', state, from)
			if t + a > now then break end
			total, from = total - n, from + 12
		end
`

	windowTake = luaWindow + `
		left, leftRest, reset, wait = max(c - total, 0), 0, last + a - now, 0
		local over, j = total + d - c, from
		while over > 0 and j < #state do
			local t, n = unpack('<dI4', state, j)
			over, wait, j = over - n, t + a - now, j + 12
		end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1, ends = left - d, 0, a, now + a
			local n, to = d, -1
			if from < #state and now - first <= b then
				n, to = n + unpack('<I4', state, #state - 3), -13
			else
				first = now
			end
			local cells = sub(state, from, to)
			value = pack('<c8dI2dd', rate, ends, #cells + 28, first, total + d) .. cells .. pack('<dI4', now, n)
		end
`

	windowGive = luaWindow + `
		ends = last + a
		for j = from, #state, 12 do
			local t, n = unpack('<dI4', state, j)
			if t == e or t > e and b > 0 and e + a > now then
				local back, rest, cell = n - d, sub(state, j + 12), ''
				if back > 0 then cell = pack('<dI4', t, back) end
				local cells = sub(state, from, j - 1) .. cell .. rest
				total = total - n + max(back, 0)
				if cell == '' and rest == '' then
					first, ends = 0, 0
					if cells ~= '' then ends = unpack('<d', cells, #cells - 11) + a end
				end
				state = pack('<dd', first, total) .. cells
				break
			end
		end
`
)

func windowNumbers(r throttle.Rate, _, asked int, at int64) [5]int64 {
	period := int64((r.Period + time.Microsecond - 1) / time.Microsecond) // rounded up
	width := (period + cells - 1) / cells
	if r.Count <= cells {
		width = 0
	}
	return [5]int64{period, width, int64(r.Count), int64(asked), at}
}

func windowResult(x item, _ time.Duration, left, _, full int64) (int, int64) {
	return int(min(left, int64(x.limit))), full
}
