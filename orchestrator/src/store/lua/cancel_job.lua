-- cancel_job: pending | running | waiting -> cancelled at once, or after its worker has been told and given time
-- story: a_running_job_is_cancelled_down_to_its_skill
-- KEYS job, deadlines   ARGV prefix, id, actor, grace_ms, retention_ms, error
-- replies: missing | ended state | asked worker task child | cancelled parent child ("" for none)
local job, deadlines, prefix, id, grace_ms = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4]
local j = fields_of(job, {"revision", "ended_at", "state", "client", "unique", "webhook_url", "parent", "deadline", "task",
  "task_state", "worker", "fan", "child", "cancelling_at", "slot", "seq"})
if not j.revision then return {"missing"} end
if j.ended_at then return {"ended", j.state} end
if j.cancelling_at then return {"asked", "", "", ""} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
local held = j.task ~= "" and j.task_state == "leased"
if held or j.fan ~= "" then
  redis.call("HSET", job, "cancelling_at", now, "deadline", whole(now + grace_ms), "cancel", j.task)
  redis.call("ZADD", deadlines, now + grace_ms, id)
  record(prefix, id, "cancel_requested", "actor", ARGV[3])
  if j.fan ~= "" then close_fan(prefix, id .. "." .. j.fan, now) end
  return {"asked", held and j.worker or "", held and id .. "." .. j.task or "", ""}
end
local _, _, child = abort(prefix, id, job, now)
local revision = j.revision + 1
redis.call("HSET", job, "state", "cancelled", "revision", revision, "ended_at", now, "error", ARGV[6], "current", "", "task", "",
  "child", "", "wait_until", "")
index_state(prefix, j.slot, nil, "cancelled")
record(prefix, id, "cancelled", "actor", ARGV[3])
finish_job(prefix, id, job, "cancelled", revision, ARGV[5], j, now)
return {"cancelled", j.parent or "", child}
