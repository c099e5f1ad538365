-- load_job: reads a job with the outcome of its task; takes it off the list when there is nothing to do
-- story: a_replica_that_dies_between_two_steps_delays_the_job_only
-- KEYS job, due   ARGV prefix, id   replies: ok now outcome ("" for none) and the job's fields | missing | ended | task_open
local job, due, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local j = redis.call("HMGET", job,
  "revision", "state", "hash", "execution", "input", "source", "created_at", "client", "priority", "wait_until", "task", "ended_at")
local t = {false, false}
if j[11] and j[11] ~= "" then t = redis.call("HMGET", prefix .. "task:" .. j[11], "state", "outcome") end
local idle = (not j[1] and "missing") or (j[12] and "ended") or ((t[1] == "queued" or t[1] == "leased") and "task_open")
if idle then
  redis.call("ZREM", due, id)
  return {idle}
end
return {"ok", string.format("%.0f", clock()), t[2] or "", j}
