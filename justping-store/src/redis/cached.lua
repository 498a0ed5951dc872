-- The values of keys under the present mark of their space. Without a mark there are none.
local mark = redis.call('GET', KEYS[1])
local found = {}
for n = 2, #KEYS do
  local value = redis.call('GET', KEYS[n])
  local kept = mark and value and string.sub(value, 1, #mark + 1) == mark .. ':'
  found[n - 1] = kept and string.sub(value, #mark + 2) or false
end
return found
