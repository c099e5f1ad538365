-- find_instant: reads only: how many jobs of a chunk were created before an instant      story: lists_are_cut_at_an_instant
-- KEYS ids of the chunk   ARGV milliseconds since 1970   replies: the number
local ids, instant = KEYS[1], tonumber(ARGV[1])
-- They are in the order of time.
local first, last = 0, math.floor(redis.call("STRLEN", ids) / 24)
while first < last do
  local middle = math.floor((first + last) / 2)
  local created_at = struct.unpack(">I8", redis.call("GETRANGE", ids, middle * 24 + 16, middle * 24 + 23))
  if created_at < instant then first = middle + 1 else last = middle end
end
return first
