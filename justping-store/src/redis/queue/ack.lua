-- Items were done: lane, entry, count and name of each lease. What is held is looked up lane by lane
-- in one go, because the leases of a worker lie side by side; what is not found so is asked for.
local first, last, many = {}, {}, {}
for n = 1, #ARGV, 4 do
  local lane = tonumber(ARGV[n])
  first[lane] = first[lane] or ARGV[n + 1]
  last[lane] = ARGV[n + 1]
  many[lane] = (many[lane] or 0) + 1
end
local counts = {{}, {}, {}}
for lane, from in pairs(first) do
  local pending = redis.pcall('XPENDING', lanes[lane], GROUP, from, last[lane], 2 * many[lane])
  for _, found in ipairs(pending.err and {} or pending) do
    counts[lane][found[1]] = found[4]
  end
end

local settled, done, gone = {}, {{}, {}, {}}, {}
for n = 1, #ARGV, 4 do
  local lane, entry = tonumber(ARGV[n]), ARGV[n + 1]
  local known = counts[lane][entry]
  if not known then
    local pending = redis.pcall('XPENDING', lanes[lane], GROUP, entry, entry, 1)
    known = not pending.err and pending[1] and pending[1][4]
  end
  if known == tonumber(ARGV[n + 2]) then
    -- The same lease a second time is stale.
    counts[lane][entry] = -1
    done[lane][#done[lane] + 1] = entry
    gone[#gone + 1] = ARGV[n + 3]
    settled[#settled + 1] = 1
  else
    settled[#settled + 1] = 0
  end
end
for lane = 1, 3 do
  if done[lane][1] then
    redis.call('XACK', lanes[lane], GROUP, unpack(done[lane]))
    redis.call('XDEL', lanes[lane], unpack(done[lane]))
  end
end
if gone[1] then
  redis.call('SREM', names, unpack(gone))
end
return settled
