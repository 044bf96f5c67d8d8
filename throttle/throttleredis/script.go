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
// The reply is one string of doubles: whether all passed, the time, and for each
// item what is left (of a bucket: in microseconds of refilling, and a rest), how
// long the cost has to wait (0 or less: it has not), and how long until the
// bucket is full.
//
// Both are written without functions and with few tables, which cost more there
// than the arithmetic.
const (
	takeScript = luaHead + `
local allowed, before, after, values, ttls, single = 1, '', '', {}, {}, #KEYS == 1` + luaItem + luaBucket + `
		left, leftRest, reset = now + d - full, e - rest, full - now
		full, rest = full + a, rest + b
		if rest >= c then full, rest = full + 1, rest - c end
		wait = full - d - now
		if rest < e then wait = wait - 1 end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1 = now + d - full, e - rest, full - now
			ends, value = full, pack('<c8dI2dd', rate, full, 16, full, rest)
		end` + luaWindow + `
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
	end
	if value then
		if others ~= '' then value, ends = value .. others, max(ends, keep) end
		local ttl = max(ceil((ends - now) / 1000), 1)
		if single then
			call('SET', KEYS[1], value, 'PX', ttl)
			return pack('<dddddd', 1, now, left1, leftRest1, 0, reset1)
		end
		values[i], ttls[i] = value, ttl
		after = after .. pack('<dddd', left1, leftRest1, 0, reset1)
	else
		if charged > 0 then allowed = 0 end
		after = after .. pack('<dddd', left, leftRest, wait, reset)
	end
	before = before .. pack('<dddd', left, leftRest, wait, reset)
end
if allowed == 0 then return pack('<dd', 0, now) .. before end
for i = 1, #KEYS do
	if values[i] then call('SET', KEYS[i], values[i], 'PX', ttls[i]) end
end
return pack('<dd', 1, now) .. after
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
	value = others
	if ends > now then value = pack('<c8dI2', rate, ends, #state) .. state .. others end
	if value ~= '' then
		call('SET', KEYS[i], value, 'PX', max(ceil((max(ends, keep) - now) / 1000), 1))
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
	local value, ends, left, leftRest, wait, reset, left1, leftRest1, reset1
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
