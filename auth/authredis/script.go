package authredis

// The scripts. Times are microseconds since 1970, which a Lua number holds
// exactly until the year 2255; they travel as text.

// judge knows a session's row, KEYS[1], and the floors, KEYS[2]: a hash from a
// subject to its floor; that of the subject "" is everybody's.
const judge = `
local function floored(subject, began)
	for _, who in ipairs({subject, ''}) do
		local floor = redis.call('HGET', KEYS[2], who)
		if floor and tonumber(began) <= tonumber(floor) then return true end
	end
	return false
end
local function row()
	local r = redis.call('HMGET', KEYS[1], 'subject', 'began', 'generation', 'rotated', 'expires', 'ends', 'revoked')
	if r[1] and floored(r[1], r[2]) then r[7] = '1' end
	return r[1] and r or {}
end
`

const createText = judge + `
if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
if floored(ARGV[1], ARGV[2]) then return 'superseded' end
redis.call('HSET', KEYS[1], 'subject', ARGV[1], 'began', ARGV[2], 'generation', ARGV[3],
	'rotated', ARGV[4], 'expires', ARGV[5], 'ends', ARGV[6], 'revoked', '0')
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
return 'created'
`

const getText = judge + `
return row()
`

// advanceText: generation, next generation, at, expires.
const advanceText = judge + `
local r = row()
if not r[1] or r[7] == '1' or r[3] ~= ARGV[1] or tonumber(r[5]) <= tonumber(ARGV[3]) then return r end
r[3], r[4], r[5] = ARGV[2], ARGV[3], ARGV[4]
if tonumber(r[5]) > tonumber(r[6]) then r[5] = r[6] end
redis.call('HSET', KEYS[1], 'generation', r[3], 'rotated', r[4], 'expires', r[5])
r[8] = 'moved'
return r
`

const revokeText = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'revoked', '1') end
return 'ok'
`

// raiseText has the floors, and in KEYS[2] until when, in milliseconds, each is
// needed: of those that are needed no longer it deletes more than it adds.
const raiseText = `
local floor = redis.call('HGET', KEYS[1], ARGV[1])
if not floor or tonumber(floor) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local till = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not till or tonumber(till) < now + tonumber(ARGV[3]) then
	redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
end
for _, who in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 8)) do
	redis.call('HDEL', KEYS[1], who)
	redis.call('ZREM', KEYS[2], who)
end
return 'ok'
`
