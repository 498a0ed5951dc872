-- Gives out items: first those whose worker died, then new ones, lane by lane.
local limit, lease, share = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local deaths_max, dead_max, moved_max = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local claimed = {}

local function give(lane, entry, count, item)
  claimed[#claimed + 1] = {lane, entry, count, item.b, item.i, item.p, item.a + count}
end

for lane = 1, 3 do
  -- Fails when the group is there, which it is but for the first time.
  redis.pcall('XGROUP', 'CREATE', lanes[lane], GROUP, '0', 'MKSTREAM')
end

-- What is due goes into its lane.
local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', text(now_ms()), 'LIMIT', 0, moved_max)
for _, packed in ipairs(due) do
  local item = cmsgpack.unpack(packed)
  redis.call('ZREM', delayed, packed)
  line_up(item.l, item)
end

for lane = 1, 3 do
  local room = limit - #claimed
  if room > 0 then
    local from = redis.call('HGET', scan, lane) or '0-0'
    local left = redis.call('XAUTOCLAIM', lanes[lane], GROUP, WORKER, lease, from, 'COUNT', room)
    redis.call('HSET', scan, lane, left[1])
    for _, found in ipairs(left[2]) do
      local entry, item = found[1], read(found[2])
      local count = redis.call('XPENDING', lanes[lane], GROUP, entry, entry, 1)[1][4]
      if item.d + count - 1 >= deaths_max then
        bury(lane, entry, item, 'its worker died ' .. text(item.d + count - 1) .. ' times', dead_max)
      else
        give(lane, entry, count, item)
      end
    end
  end
end

local ready = {}
for lane = 1, 3 do
  ready[lane] = redis.call('XLEN', lanes[lane]) - redis.call('XPENDING', lanes[lane], GROUP)[1]
end
local room = limit - #claimed
local least = math.floor(room / share)
local third = math.min(ready[3], least)
local second = math.min(ready[2], least)
local first = math.min(ready[1], room - second - third)
second = math.min(ready[2], room - first - third)
third = math.min(ready[3], room - first - second)
for lane, count in ipairs({first, second, third}) do
  if count > 0 then
    local read_now = redis.call('XREADGROUP', 'GROUP', GROUP, WORKER, 'COUNT', count,
      'STREAMS', lanes[lane], '>')
    for _, found in ipairs(read_now and read_now[1][2] or {}) do
      give(lane, found[1], 1, read(found[2]))
    end
  end
end
return claimed
