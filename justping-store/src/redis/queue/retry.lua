-- An item comes back after a while: lane, entry, count, milliseconds.
local lane, entry, count = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local item = held(lane, entry, count)
if not item then
  return 0
end
take_out(lane, entry)
local again = {l = lane, b = item.b, i = item.i, p = item.p}
again.a, again.d = item.a + count, item.d + count - 1
redis.call('ZADD', delayed, text(now_ms() + ARGV[4]), cmsgpack.pack(again))
return 1
