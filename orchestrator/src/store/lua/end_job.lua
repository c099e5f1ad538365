-- end_job: pending | running | waiting -> failed (its time is over) | cancelled (the grace after a cancellation is over)
-- story: a_job_that_takes_too_long_is_ended
-- KEYS job, deadlines   ARGV prefix, id, retention_ms, error when overdue, error when cancelled
-- replies: idle (there is nothing to end, or not yet) | ok state parent child worker task ("" for none)
local job, deadlines, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local j = fields_of(job, {"revision", "ended_at", "client", "unique", "webhook_url", "parent", "deadline", "cancelling_at", "slot", "seq"})
local now = clock()
if not j.revision or j.ended_at then
  redis.call("ZREM", deadlines, id)
  return {"idle"}
end
if not j.deadline or j.deadline == "" or tonumber(j.deadline) > now then return {"idle"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local worker, task, child = abort(prefix, id, job, now)
local state, revision = j.cancelling_at and "cancelled" or "failed", j.revision + 1
redis.call("HSET", job, "state", state, "revision", revision, "ended_at", now, "error", j.cancelling_at and ARGV[5] or ARGV[4],
  "current", "", "fan", "", "child", "", "wait_until", "")
index_state(prefix, j.slot, nil, state)
record(prefix, id, state)
finish_job(prefix, id, job, state, revision, ARGV[3], j, now)
return {"ok", state, j.parent or "", child, worker, task}
