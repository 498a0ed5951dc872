-- The oldest dead items live again, unless another of their name lives already.
local found = redis.call('XRANGE', dead, '-', '+', 'COUNT', ARGV[1])
for _, entry in ipairs(found) do
  local item = read(entry[2])
  item.a, item.d = 0, 0
  if redis.call('SADD', names, name(item)) == 1 then
    line_up(tonumber(item.l), item)
  end
  redis.call('XDEL', dead, entry[1])
end
return #found
