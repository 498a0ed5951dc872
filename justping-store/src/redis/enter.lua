-- Somebody is in a room until a moment. Returns 1 when that is news, 0 when not, -1 when it is full.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local who, ttl, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local known = redis.call('ZSCORE', KEYS[1], who)
if not known and redis.call('ZCARD', KEYS[1]) >= most then
  return -1
end
redis.call('ZADD', KEYS[1], now + ttl, who)
-- The room goes with whoever stays longest.
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2] + 1))
return known and 0 or 1
