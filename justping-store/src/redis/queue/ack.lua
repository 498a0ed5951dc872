-- Items were done: lane, entry and count of each lease.
local settled = {}
for n = 1, #ARGV, 3 do
  local lane, entry = tonumber(ARGV[n]), ARGV[n + 1]
  local item = held(lane, entry, tonumber(ARGV[n + 2]))
  if item then
    take_out(lane, entry)
    redis.call('SREM', names, name(item))
  end
  settled[#settled + 1] = item and 1 or 0
end
return settled
