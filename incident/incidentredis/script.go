package incidentredis

// The scripts. An order is a hash: its body, when it was given in microseconds since
// 1970, which a Lua number holds exactly until the year 2255, whether it is open, and
// the key of its Once, if it has one, where the ID of the order that holds it stands.

// free gives up the Once of an order, unless another one holds it by now.
const free = `
local function free(order, id)
	local once = redis.call('HGET', order, 'once')
	if once and redis.call('GET', once) == id then redis.call('DEL', once) end
end
`

// beginText has the keys of the sorted set of IDs, of the order and of its Once. Of
// what is gone, or is too many, it removes more than it adds.
const beginText = free + `
local tag, id, body, at, open, abandoned, keep, max, hold =
	ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local holder = redis.call('GET', KEYS[3])
if holder then
	local other = redis.call('HMGET', tag .. holder, 'body', 'at', 'open')
	if other[1] and (other[3] == '0' or tonumber(other[2]) > tonumber(abandoned)) then return {'other', other[1]} end
end
if redis.call('EXISTS', KEYS[2]) == 1 then return {'taken'} end
redis.call('HSET', KEYS[2], 'body', body, 'at', at, 'open', open)
redis.call('PEXPIRE', KEYS[2], keep)
redis.call('ZADD', KEYS[1], 0, id)
redis.call('PEXPIRE', KEYS[1], keep)
if hold == '1' then
	redis.call('HSET', KEYS[2], 'once', KEYS[3])
	redis.call('SET', KEYS[3], id, 'PX', keep)
end
local many = redis.call('ZCARD', KEYS[1]) - tonumber(max)
for i, old in ipairs(redis.call('ZRANGE', KEYS[1], 0, 7)) do
	if i <= many then
		free(tag .. old, old)
		redis.call('DEL', tag .. old)
	end
	if redis.call('EXISTS', tag .. old) == 0 then redis.call('ZREM', KEYS[1], old) end
end
return {'added'}
`

const finishText = free + `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'open', ARGV[3])
if ARGV[4] == '1' then free(KEYS[1], ARGV[1]) end
return 'finished'
`

const getText = `
local body = redis.call('HGET', KEYS[1], 'body')
return body and {body} or {}
`

// listText: what begins the key of every order, from which ID on, how many. What is
// gone is skipped.
const listText = `
local page, from = {}, ARGV[2]
while #page < tonumber(ARGV[3]) do
	local ids = redis.call('ZREVRANGEBYLEX', KEYS[1], from, '-', 'LIMIT', 0, tonumber(ARGV[3]) - #page)
	if #ids == 0 then break end
	for _, id in ipairs(ids) do
		local body = redis.call('HGET', ARGV[1] .. id, 'body')
		if body then page[#page + 1] = body end
	end
	from = '(' .. ids[#ids]
end
return page
`
