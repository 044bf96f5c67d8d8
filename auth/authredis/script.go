package authredis

// The scripts. Times are microseconds since 1970, which a Lua number holds
// exactly until the year 2255; they travel as text.

// judge knows the row of a session by its key, an empty one if it is gone, and the
// floors, KEYS[2]: a hash from a subject to its floor; that of the subject "" is
// everybody's.
const judge = `
local function floored(subject, began)
	for _, who in ipairs({subject, ''}) do
		local floor = redis.call('HGET', KEYS[2], who)
		if floor and tonumber(began) <= tonumber(floor) then return true end
	end
	return false
end
local function row(key)
	local r = redis.call('HMGET', key, 'subject', 'began', 'generation', 'rotated', 'expires', 'ends', 'revoked', 'device')
	if not r[1] then return {} end
	if floored(r[1], r[2]) then r[7] = '1' end
	r[8] = r[8] or '' -- of a release that knew no devices
	return r
end
`

// A subject's sessions are a sorted set: the score is when one began, the member is
// the 43 characters that end the key of its row, and then its ID. A member may
// outlive what it names. The keys of the rows are not among KEYS, but on the same
// node, by the hash tag.
const subjects = judge + `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function member(rows, m)
	return row(rows .. string.sub(m, 1, 43))
end
local function live(r)
	return r[7] == '0' and tonumber(r[5]) > now
end
`

// createText has the set in KEYS[3]. It also looks at eight of its members, from
// anywhere in it, and removes what has ended; and what has expired, as soon as no
// clock can still advance it: so few of those are left beside the live ones.
const createText = subjects + `
if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
if floored(ARGV[1], ARGV[2]) then return 'superseded' end
redis.call('HSET', KEYS[1], 'subject', ARGV[1], 'began', ARGV[2], 'generation', ARGV[3],
	'rotated', ARGV[4], 'expires', ARGV[5], 'ends', ARGV[6], 'revoked', '0', 'device', ARGV[8])
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
local from = now % math.max(redis.call('ZCARD', KEYS[3]) - 7, 1)
for _, m in ipairs(redis.call('ZRANGE', KEYS[3], from, from + 7)) do
	local r = member(ARGV[9], m)
	if r[7] ~= '0' or tonumber(r[5]) + tonumber(ARGV[11]) < now then redis.call('ZREM', KEYS[3], m) end
end
local left = redis.call('PTTL', KEYS[3])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[10])
if left < 0 or now / 1000 + left < tonumber(ARGV[7]) then redis.call('PEXPIREAT', KEYS[3], ARGV[7]) end
return 'created'
`

const getText = judge + `
return row(KEYS[1])
`

// listText has the set in KEYS[1]. It only reads, so that it goes on where writes
// fail, and looks at a thousand members at most.
const listText = subjects + `
local found = {}
for _, m in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, 999)) do
	if #found >= tonumber(ARGV[2]) * 2 then break end
	local r = member(ARGV[1], m)
	if live(r) then
		found[#found + 1] = m
		found[#found + 1] = r
	end
end
return found
`

// advanceText: generation, next generation, at, expires.
const advanceText = judge + `
local r = row(KEYS[1])
if not r[1] or r[7] == '1' or r[3] ~= ARGV[1] or tonumber(r[5]) <= tonumber(ARGV[3]) then return r end
r[3], r[4], r[5] = ARGV[2], ARGV[3], ARGV[4]
if tonumber(r[5]) > tonumber(r[6]) then r[5] = r[6] end
redis.call('HSET', KEYS[1], 'generation', r[3], 'rotated', r[4], 'expires', r[5])
r[9] = 'moved'
return r
`

const revokeText = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
redis.call('HSET', KEYS[1], 'revoked', '1')
return 'known'
`

// raiseText has the set of the subject in KEYS[1]: empty if it is everybody. It
// returns how many live sessions it ended, of the thousand that began last before
// the floor. KEYS[3] has until when, in milliseconds, each floor is needed: of those
// that are needed no longer it deletes more than it adds.
const raiseText = subjects + `
local ended = 0
for _, m in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[2], '-inf', 'LIMIT', 0, 1000)) do
	if live(member(ARGV[4], m)) then ended = ended + 1 end
end
local floor = redis.call('HGET', KEYS[2], ARGV[1])
if not floor or tonumber(floor) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
now = math.floor(now / 1000)
local till = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not till or tonumber(till) < now + tonumber(ARGV[3]) then
	redis.call('ZADD', KEYS[3], now + tonumber(ARGV[3]), ARGV[1])
end
for _, who in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 8)) do
	redis.call('HDEL', KEYS[2], who)
	redis.call('ZREM', KEYS[3], who)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2]) -- last: after a write that frees memory a full server refuses no other
return tostring(ended)
`
