-- How many items there are: three lanes, delayed, held, dead.
local lengths, all_held = {}, 0
for lane = 1, 3 do
  local pending = redis.pcall('XPENDING', lanes[lane], GROUP)
  local held_here = pending.err and 0 or pending[1]
  lengths[lane] = redis.call('XLEN', lanes[lane]) - held_here
  all_held = all_held + held_here
end
lengths[4] = redis.call('ZCARD', delayed)
lengths[5] = all_held
lengths[6] = redis.call('XLEN', dead)
return lengths
