package throttleredis

// script decides about all items of a call and writes what it charges: the only
// thing that ever runs in Redis. KEYS and the ARGV behind the first are the
// items, see [item.append]; ARGV[1] is the mode: "take", "look" (charge nothing)
// or "give".
//
// Times are whole microseconds of the server's clock. Every number is a whole
// one below 2^53, so the doubles of Lua are exact.
//
// A value holds a record for each rate that its caller has had and that is not
// yet full again: who it is for, when it is full, its length, its state.
//
// The state of a bucket is when it is full, and a rest in 1/unit microseconds.
// That of a window is a list of cells, oldest first: how many units, and when
// the last of them was charged. All of a cell leave together, one period after
// that: late by less than the width of a cell, never early. With a width of 0
// each cell is one moment, and the window exact.
//
// A clock that was set back leaves moments in the future: they are taken for
// now, so that nobody waits longer than from an empty bucket.
const script = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local charging = ARGV[1] == 'take'

local function load(it)
	local v = redis.call('GET', it.key) or ''
	local at = 1
	it.state, it.others, it.ends = '', '', 0
	while at + 17 <= #v do
		local rate, ends, n, body = struct.unpack('<c8dI2', v, at)
		if rate == it.rate then
			it.state = v:sub(body, body + n - 1)
		elseif ends > now then
			it.others = it.others .. v:sub(at, body + n - 1)
			it.ends = math.max(it.ends, ends)
		end
		at = body + n
	end
end

local function save(it, state, ends)
	local v = it.others
	if ends > now then
		v = struct.pack('<c8dI2', it.rate, ends, #state) .. state .. v
	end
	if v == '' then
		redis.call('DEL', it.key)
		return
	end
	local left = math.max(ends, it.ends) - now
	redis.call('SET', it.key, v, 'PX', string.format('%.0f', math.ceil(left / 1000)))
end

local bucket, window = {}, {}

function bucket.load(it)
	it.cost, it.costRest, it.unit, it.size, it.sizeRest = it[1], it[2], it[3], it[4], it[5]
	it.full, it.rest = now, 0
	if #it.state == 16 then
		local full, rest = struct.unpack('<dd', it.state)
		if full >= now then it.full, it.rest = full, rest end
	end
	if it.full - now > it.size or it.full - now == it.size and it.rest > it.sizeRest then
		it.full, it.rest = now + it.size, it.sizeRest
	end
	it.after, it.afterRest = it.full + it.cost, it.rest + it.costRest
	if it.afterRest >= it.unit then
		it.after, it.afterRest = it.after + 1, it.afterRest - it.unit
	end
	it.wait = it.after - it.size - now
	if it.afterRest < it.sizeRest then it.wait = it.wait - 1 end
end

function bucket.save(it)
	save(it, struct.pack('<dd', it.full, it.rest), it.full)
end

function bucket.charge(it)
	it.full, it.rest = it.after, it.afterRest
	bucket.save(it)
end

function bucket.give(it)
	it.full, it.rest = it.full - it.cost, it.rest - it.costRest
	if it.rest < 0 then
		it.full, it.rest = it.full - 1, it.rest + it.unit
	end
	bucket.save(it)
end

function bucket.left(it)
	local left, rest = now + it.size - it.full, it.sizeRest - it.rest
	if rest < 0 then
		left, rest = left - 1, rest + it.unit
	end
	return left, rest, it.full - now + (it.rest > 0 and 1 or 0)
end

local cell = 12

function window.load(it)
	it.period, it.width, it.count, it.cost, it.at = it[1], it[2], it[3], it[4], it[5]
	it.first, it.total, it.last, it.cells = 0, 0, 0, ''
	local s, at = it.state, 17
	if #s > 16 then
		it.first, it.total = struct.unpack('<dd', s)
		it.last = struct.unpack('<d', s, #s - cell + 1)
	end
	if it.last > now then
		local cells = {}
		for i = 17, #s, cell do
			local last, n = struct.unpack('<dI4', s, i)
			cells[#cells + 1] = struct.pack('<dI4', math.min(last, now), n)
		end
		s = s:sub(1, 16) .. table.concat(cells)
		it.first, it.last = math.min(it.first, now), now
	end
	while at < #s do
		local last, n = struct.unpack('<dI4', s, at)
		if last + it.period > now then break end
		it.total, at = it.total - n, at + cell
	end
	it.cells = s:sub(at)
	it.wait = 0
	local total = it.total + it.cost - it.count
	for i = 1, #it.cells, cell do
		if total <= 0 then break end
		local last, n = struct.unpack('<dI4', it.cells, i)
		total, it.wait = total - n, last + it.period - now
	end
end

function window.save(it)
	save(it, struct.pack('<dd', it.first, it.total) .. it.cells, it.last + it.period)
end

function window.charge(it)
	local n = it.cost
	if it.cells ~= '' and now - it.first <= it.width then
		n = n + struct.unpack('<I4', it.cells, #it.cells - 3)
		it.cells = it.cells:sub(1, -cell - 1)
	else
		it.first = now
	end
	it.cells = it.cells .. struct.pack('<dI4', now, n)
	it.total, it.last = it.total + it.cost, now
	window.save(it)
end

function window.give(it)
	for i = 1, #it.cells, cell do
		local last, n = struct.unpack('<dI4', it.cells, i)
		if last == it.at or last > it.at and it.width > 0 and it.at + it.period > now then
			local back = math.min(n, it.cost)
			local before, after, changed = it.cells:sub(1, i - 1), it.cells:sub(i + cell), ''
			if n > back then changed = struct.pack('<dI4', last, n - back) end
			it.cells, it.total = before .. changed .. after, it.total - back
			if changed == '' and after == '' then
				it.first, it.last = 0, -it.period
				if before ~= '' then it.last = struct.unpack('<d', before, #before - cell + 1) end
			end
			window.save(it)
			return
		end
	end
end

function window.left(it)
	return math.max(it.count - it.total, 0), 0, math.max(it.last + it.period - now, 0)
end

local kinds, items, allowed = {window, bucket}, {}, 1
for i, key in ipairs(KEYS) do
	local it = {struct.unpack('<dddddc8BB', ARGV[i + 1])}
	it.key, it.rate, it.kind, it.charged = key, it[6], kinds[it[7] + 1], it[8] == 1
	load(it)
	it.kind.load(it)
	if it.charged and it.wait > 0 then allowed = 0 end
	items[i] = it
end

if ARGV[1] == 'give' then
	for _, it in ipairs(items) do it.kind.give(it) end
	return 1
end

local reply = {allowed, now}
for _, it in ipairs(items) do
	if charging and allowed == 1 and it.charged then it.kind.charge(it) end
	local left, rest, full = it.kind.left(it)
	local n = #reply
	reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = left, rest, math.max(it.wait, 0), full
end
return reply
`
