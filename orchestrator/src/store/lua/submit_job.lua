-- submit_job: nothing -> pending | waiting | completed | failed          story: a_job_submitted_twice_is_one_job
-- KEYS job   ARGV prefix, id, retention_ms, open_limit ("" for none), n, n names and values that never change, then a step (see
-- prelude) with state and perhaps deadline_ms   replies: ok | exists | not_unique id | too_many
local job, prefix, id, retention_ms, n = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local identity, given = {}, {}
for i = 1, n do identity[i] = ARGV[5 + i] end
for i = 1, n, 2 do given[identity[i]] = identity[i + 1] end
local step = named(6 + n)
if redis.call("EXISTS", job) == 1 then return {"exists"} end
if given.unique then
  local other = redis.call("GET", prefix .. "unique:" .. given.unique)
  if other then return {"not_unique", other} end
end
if ARGV[4] ~= "" and tonumber(redis.call("HGET", prefix .. "counts", "open:" .. given.client) or 0) >= tonumber(ARGV[4]) then
  return {"too_many"}
end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
local fields = identity
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
field("revision", 1)
field("state", step.state)
field("created_at", now)
field("fans", step.fan or 0)
if given.unique then redis.call("SET", prefix .. "unique:" .. given.unique, id) end
redis.call("HINCRBY", prefix .. "counts", "open:" .. given.client, 1)
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
