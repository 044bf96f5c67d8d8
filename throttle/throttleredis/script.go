package throttleredis

import (
	"fmt"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// algorithms is read-only. A new algorithm is a file like bucket.go and a line
// here.
var algorithms = [...]algorithm{ //nolint:gochecknoglobals // a table of functions is no constant
	throttle.SlidingWindow: {windowNumbers, windowResult, windowTake, windowGive},
	throttle.TokenBucket:   {bucketNumbers, bucketResult, bucketTake, bucketGive},
}

type algorithm struct {
	numbers func(r throttle.Rate, limit, asked int, at int64) [5]int64 // a to e of the scripts

	// result returns how much is left, and after how many microseconds the bucket
	// is full, from what the script says.
	result func(x item, period time.Duration, left, rest, full int64) (int, int64)

	take string // Lua: sets left, leftRest, wait, reset; for a charge also left1, leftRest1, reset1, ends, value
	give string // Lua: sets state, ends
}

// The scripts are all that ever runs in Redis. The take script decides about all
// items of a call and charges all or none; the give script takes charges back.
// KEYS and ARGV hold one entry for each item, see [item.append].
//
// Times are whole microseconds of the server's clock. Every number is a whole
// one below 2^53, so the doubles of Lua are exact.
//
// A value holds a record for each rate that its caller has had and whose bucket
// is not full again: who it is for, when it is full, its length, its state.
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
func scripts() (take, give string) {
	for kind, a := range algorithms {
		take += fmt.Sprintf("if kind == %d then%send\n", kind, a.take)
		give += fmt.Sprintf("if kind == %d then%send\n", kind, a.give)
	}
	return luaHead + luaTotals + luaItem + take + luaTaken, luaHead + luaItem + give + luaGiven
}

const (
	luaHead = `
local call, pack, unpack, sub, max, ceil = redis.call, struct.pack, struct.unpack, string.sub, math.max, math.ceil
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]`

	luaTotals = `
local allowed, before, after, values, ttls, single = 1, '', '', {}, {}, #KEYS == 1`

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
`

	// luaTaken keeps the state of an item that is charged.
	luaTaken = `
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

	// luaGiven keeps what is left of a state.
	luaGiven = `
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
)
