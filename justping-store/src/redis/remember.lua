-- Remembers a value under the mark of its space, which outlives every value under it.
local mark = redis.call('GET', KEYS[1])
if not mark then
  local time = redis.call('TIME')
  mark = time[1] .. '.' .. time[2]
end
redis.call('SET', KEYS[1], mark, 'PX', ARGV[3])
redis.call('SET', KEYS[2], mark .. ':' .. ARGV[1], 'PX', ARGV[2])
return 1
