-- submit_job: nothing -> pending | waiting | completed | failed          story: a_job_submitted_twice_is_one_job
-- KEYS job   ARGV prefix, id, retention_ms, open_limit ("" for none), the 16 bytes of the id, how many names it has in the index,
-- those names, how many words follow, names and values that never change, then a step (see prelude) with state and perhaps
-- deadline_ms   replies: ok | exists | not_unique id | too_many
local job, prefix, id, retention_ms = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local names, identity, given = {}, {}, {}
for i = 1, ARGV[6] do names[i] = ARGV[6 + i] end
local first = 7 + #names
for i = 1, ARGV[first] do identity[i] = ARGV[first + i] end
for i = 1, #identity, 2 do given[identity[i]] = identity[i + 1] end
local step = named(first + #identity + 1)
-- The slots of a value with one more: two bytes a slot while there are few, or a byte of no meaning and one bit a slot. The one
-- form has an even length and the other an odd one.
local function with(slots, place)
  if #slots % 2 == 0 then
    slots = slots .. struct.pack(">H", place)
    if #slots <= CHUNK / 8 then return slots end
    local bytes = {}
    for i = 1, CHUNK / 8 do bytes[i] = 0 end
    for i = 1, #slots, 2 do
      local known = struct.unpack(">H", slots, i)
      local at = math.floor(known / 8) + 1
      bytes[at] = bytes[at] + 2 ^ (7 - known % 8)
    end
    return "-" .. string.char(unpack(bytes))
  end
  local at = math.floor(place / 8) + 2
  local byte = slots:byte(at) + 2 ^ (7 - place % 8)
  return slots:sub(1, at - 1) .. string.char(byte) .. slots:sub(at + 1)
end

-- Enters the job into the columns of its chunk: its id and when it was created, its state, and itself among those with its values.
local function index_job(slot, created_at)
  local chunk, place = place_in_index(prefix, slot)
  if place == 0 then redis.call("ZADD", prefix .. "ix:chunks", whole(created_at), whole(math.floor(slot / CHUNK))) end
  redis.call("SETRANGE", chunk .. ":ids", place * 24, ARGV[5] .. struct.pack(">I8", created_at))
  index_state(prefix, slot, nil, step.state)
  local known, values = redis.call("HMGET", chunk .. ":values", unpack(names)), {}
  for i, name in ipairs(names) do
    values[2 * i - 1] = name
    values[2 * i] = with(known[i] or "", place)
  end
  redis.call("HSET", chunk .. ":values", unpack(values))
end

if redis.call("EXISTS", job) == 1 then return {"exists"} end
if given.unique then
  local other = redis.call("GET", prefix .. "unique:" .. given.unique)
  if other then return {"not_unique", other} end
end
local counts = prefix .. "counts"
local c = redis.call("HMGET", counts, "open:" .. given.client, "slots", "latest")
if ARGV[4] ~= "" and tonumber(c[1] or 0) >= tonumber(ARGV[4]) then return {"too_many"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
-- The order of slots is that of time, also when the clock was set back or another Redis took over.
local slot, created_at = tonumber(c[2] or 0), math.max(now, tonumber(c[3] or 0))
local fields = identity
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
field("revision", 1)
field("state", step.state)
field("created_at", whole(created_at))
field("slot", whole(slot))
field("fans", step.fan or 0)
if given.unique then redis.call("SET", prefix .. "unique:" .. given.unique, id) end
redis.call("HSET", counts, "open:" .. given.client, whole((c[1] or 0) + 1), "slots", whole(slot + 1), "latest", whole(created_at))
index_job(slot, created_at)
if step.deadline_ms then
  given.deadline = whole(now + step.deadline_ms)
  field("deadline", given.deadline)
  redis.call("ZADD", prefix .. "deadlines", given.deadline, id)
end
if step.ended then field("ended_at", now) end
apply_step(prefix, id, job, step, given, now, fields)
record(prefix, id, "submitted", "actor", given.client, "entered", step.entered or "[]",
  "task", step.number and id .. "." .. step.number or "")
if step.approval then announce(prefix, id, given.webhook_url, "approval_wanted", 1, now) end
if step.ended then
  record(prefix, id, step.state)
  finish_job(prefix, id, job, step.state, 1, retention_ms, given, now)
end
return {"ok"}
