-- What every script of a queue knows. A lane is a stream whose entries are items; `names` holds the
-- names of all items that live, `delayed` those that come back, `scan` how far each lane was looked
-- through for items whose worker died.
local lanes = {KEYS[1], KEYS[2], KEYS[3]}
local delayed, dead, names, scan = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local GROUP, WORKER = 'workers', 'any'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

local function name(item)
  return item.b .. ':' .. item.i
end

-- An entry that somebody else wrote is an item of nobody: it is given up like any other.
local function read(fields)
  local item = {b = '', i = '', p = ''}
  for n = 1, #fields, 2 do
    item[fields[n]] = fields[n + 1]
  end
  item.a, item.d = tonumber(item.a) or 0, tonumber(item.d) or 0
  return item
end

-- An item at the end of its lane: business, id, payload, attempts and deaths so far.
local function line_up(lane, item)
  redis.call('XADD', lanes[lane], '*', 'b', item.b, 'i', item.i, 'p', item.p, 'a', item.a, 'd', item.d)
end

-- The item a worker holds, if it still does: the entry was given out this often and no more.
local function held(lane, entry, count)
  local pending = redis.pcall('XPENDING', lanes[lane], GROUP, entry, entry, 1)
  if pending.err or not pending[1] or pending[1][4] ~= count then
    return nil
  end
  local found = redis.call('XRANGE', lanes[lane], entry, entry)
  return found[1] and read(found[1][2])
end

local function take_out(lane, entry)
  redis.call('XACK', lanes[lane], GROUP, entry)
  redis.call('XDEL', lanes[lane], entry)
end

local function bury(lane, entry, item, reason, dead_max)
  take_out(lane, entry)
  redis.call('SREM', names, name(item))
  redis.call('XADD', dead, 'MAXLEN', dead_max, '*', 'l', lane, 'b', item.b, 'i', item.i, 'p', item.p,
    'r', reason, 't', text(now_ms()))
end

