-- load_job: reads a job with the outcome of a finished task               story: a_replica_that_dies_between_two_steps_delays_the_job_only
-- KEYS job   ARGV prefix, id   replies: now task_state outcome and the job's fields | missing
local j = redis.call("HMGET", KEYS[1],
  "revision", "state", "hash", "execution", "input", "source", "created_at", "client", "priority", "wait_until", "task")
if not j[1] then return {"missing"} end
local t = {false, false}
if j[11] and j[11] ~= "" then t = redis.call("HMGET", ARGV[1] .. "task:" .. j[11], "state", "outcome") end
return {"ok", string.format("%.0f", clock()), t[1] or "", t[2] or "", j}
