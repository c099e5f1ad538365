-- advance_job: pending | running | waiting -> the state of the next step  story: a_step_is_taken_once
-- KEYS job, due   ARGV prefix, id, revision, retention_ms, number of the task that has ended ("" for none), then a step (see prelude)
-- replies: ok and the parent's branch ("" for none) | missing | stale | ended | cancelling
local job, due, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local step = named(6)
local j = fields_of(job, {"revision", "ended_at", "client", "priority", "dispatch_ms", "unique", "webhook_url", "parent", "deadline",
  "task", "task_state", "fan", "worker", "token", "digest", "cancelling_at", "slot", "seq", "state"})
if not j.revision then return {"missing"} end
if j.ended_at then return {"ended"} end
if j.revision ~= ARGV[3] then return {"stale"} end
if j.cancelling_at and step.state ~= "cancelled" then return {"cancelling"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now, revision = clock(), ARGV[3] + 1
redis.call("ZREM", due, id)
local fields = {"revision", revision, "state", step.state, "start", ""}
if ARGV[5] ~= "" then
  fields[#fields + 1] = "last"
  fields[#fields + 1] = last_task(j)
end
-- What the last task told of itself is not true of the next one.
if step.number then redis.call("HDEL", job, "progress", "message", "stages") end
if step.ended then
  fields[#fields + 1] = "ended_at"
  fields[#fields + 1] = now
end
apply_step(prefix, id, job, step, j, now, fields)
index_state(prefix, j.slot, j.state, step.state)
record(prefix, id, step.ended and step.state or "advanced", "entered", step.entered or "[]",
  "task", step.number and id .. "." .. step.number or "")
if step.approval then announce(prefix, id, j.webhook_url, "approval_wanted", revision, now) end
if step.ended then finish_job(prefix, id, job, step.state, revision, ARGV[4], j, now) end
return {"ok", step.ended and j.parent or ""}
