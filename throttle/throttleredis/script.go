package throttleredis

// The scripts are all that ever runs in Redis. takeScript decides about all items
// of a call and charges all or none; giveScript takes charges back. KEYS and ARGV
// hold one entry for each item, see [item.append].
//
// Times are whole microseconds of the server's clock. Every number is a whole
// one below 2^53, so the doubles of Lua are exact.
//
// A value holds a record for each rate that its caller has had and whose bucket
// is not full again: who it is for, when it is full, its length, its state.
//
// The state of a bucket is when it is full, with a rest in 1/unit microseconds.
// That of a window is when its newest cell began, how many units it holds, and
// the cells, oldest first: when the last unit of each was charged, and how many
// there are. All of a cell leave together, one period after that: late by less
// than the width of a cell, never early. With a width of 0 each cell is one
// moment, and the window exact.
//
// A clock that was set back leaves moments in the future. They are taken for
// now, so that nobody waits longer than from an empty bucket.
//
// Both are written without functions and with few tables, which cost more there
// than the arithmetic.
const (
	takeScript = luaHead + `
local allowed, values, ttls, before, after = 1, {}, {}, {}, {}` + luaItem + luaBucket + `
		local chargedFull, chargedRest = full + a, rest + b
		if chargedRest >= c then chargedFull, chargedRest = chargedFull + 1, chargedRest - c end
		wait = chargedFull - d - now
		if chargedRest < e then wait = wait - 1 end
		left, leftRest, reset = now + d - full, e - rest, full - now
		if leftRest < 0 then left, leftRest = left - 1, leftRest + c end
		if rest > 0 then reset = reset + 1 end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1 = now + d - chargedFull, e - chargedRest, chargedFull - now
			if leftRest1 < 0 then left1, leftRest1 = left1 - 1, leftRest1 + c end
			if chargedRest > 0 then reset1 = reset1 + 1 end
			ends = chargedFull
			values[i] = pack('<c8dI2dd', rate, ends, 16, chargedFull, chargedRest)
		end` + luaWindow + `
		wait, left, leftRest, reset = 0, max(c - total, 0), 0, max(last + a - now, 0)
		local over, j = total + d - c, from
		while over > 0 and j < #state do
			local t, n = unpack('<dI4', state, j)
			over, wait, j = over - n, t + a - now, j + 12
		end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1 = left - d, 0, a
			ends = now + a
			local n, to = d, -1
			if from < #state and now - first <= b then
				n, to = n + unpack('<I4', state, #state - 3), -13
			else
				first = now
			end
			local cells = sub(state, from, to)
			values[i] = pack('<c8dI2dd', rate, ends, #cells + 28, first, total + d) .. cells .. pack('<dI4', now, n)
		end
	end
	if charged == 2 or charged == 1 and wait > 0 then allowed = 0 end
	local n = 4 * i - 1
	before[n], before[n + 1], before[n + 2], before[n + 3] = left, leftRest, max(wait, 0), reset
	if values[i] then
		after[n], after[n + 1], after[n + 2], after[n + 3] = left1, leftRest1, 0, reset1
		values[i], ttls[i] = values[i] .. others, ceil((max(ends, keep) - now) / 1000)
	else
		after[n], after[n + 1], after[n + 2], after[n + 3] = left, leftRest, max(wait, 0), reset
	end
end
if allowed == 0 then
	before[1], before[2] = 0, now
	return before
end
for i = 1, #KEYS do
	if values[i] then call('SET', KEYS[i], values[i], 'PX', ttls[i]) end
end
after[1], after[2] = 1, now
return after
`

	giveScript = luaHead + luaItem + luaBucket + `
		ends, rest = full - a, rest - b
		if rest < 0 then ends, rest = ends - 1, rest + c end
		state = pack('<dd', ends, rest)` + luaWindow + `
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
	end
	local value = others
	if ends > now then value = pack('<c8dI2', rate, ends, #state) .. state .. others end
	if value ~= '' then
		call('SET', KEYS[i], value, 'PX', ceil((max(ends, keep) - now) / 1000))
	elseif v then
		call('DEL', KEYS[i])
	end
end
return 1
`

	luaHead = `
local call, pack, unpack, sub, max, ceil = redis.call, struct.pack, struct.unpack, string.sub, math.max, math.ceil
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]`

	// luaItem finds the record of an item, and what must be kept of others.
	luaItem = `
for i = 1, #KEYS do
	local a, b, c, d, e, rate, kind, charged = unpack('<dddddc8BB', ARGV[i])
	local v, state, others, keep, at = call('GET', KEYS[i]), '', '', 0, 1
	while v and at + 17 <= #v do
		local r, ends, n, body = unpack('<c8dI2', v, at)
		at = body + n
		if r == rate then
			state = sub(v, body, at - 1)
		elseif ends > now then
			others, keep = others .. sub(v, body - 18, at - 1), max(keep, ends)
		end
	end
	local ends, left, leftRest, wait, reset, left1, leftRest1, reset1 = 0
	if kind == 1 then`

	// luaBucket reads the state of a bucket. a and b are what the cost takes to
	// refill, c the unit of the rest, d and e what the whole bucket takes.
	luaBucket = `
		local full, rest = now, 0
		if #state == 16 then
			local f, r = unpack('<dd', state)
			if f >= now then full, rest = f, r end
			if full - now > d or full - now == d and rest > e then full, rest = now + d, e end
		end`

	// luaWindow reads the state of a window and drops what has left. a is the
	// period, b the width of a cell, c the count, d the cost, e the moment of the
	// charge that is given back.
	luaWindow = `
	else
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
		end`
)
