-- One token of a bucket. The key holds the moment at which the bucket is full again, in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
-- Never emptier than empty: neither a clock that was set back nor another rate locks a sender out.
full_at = math.min(math.max(full_at, now), now + token * burst)
local wait = full_at - token * (burst - 1) - now
if wait > 0 then
  return wait
end
full_at = full_at + token
local kept = math.ceil((full_at - now) / 1000) + 1
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', string.format('%.0f', kept))
return 0
