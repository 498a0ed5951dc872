-- An item cannot be done: lane, entry, count, reason, most dead items.
local lane, entry = tonumber(ARGV[1]), ARGV[2]
local item = held(lane, entry, tonumber(ARGV[3]))
if not item then
  return 0
end
bury(lane, entry, item, ARGV[4], ARGV[5])
return 1
