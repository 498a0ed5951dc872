-- Adds items, or none when they are too many.
local live_max = tonumber(ARGV[1])
local count = (#ARGV - 1) / 4
if redis.call('SCARD', names) + count > live_max then
  return {-1}
end
local published = {}
for n = 1, count do
  local at = 4 * n - 2
  local item = {b = ARGV[at + 1], i = ARGV[at + 2], p = ARGV[at + 3], a = 0, d = 0}
  published[n] = redis.call('SADD', names, name(item))
  if published[n] == 1 then
    line_up(tonumber(ARGV[at]), item)
  end
end
return published
