-- advance_job: pending | running | waiting -> the state of the next step  story: a_step_is_taken_once
-- KEYS job, due, finished task   ARGV prefix, id, revision, keep_task_ms, then a step (see prelude)
-- replies: ok | missing | stale | ended
local job, due, task, prefix, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local step = {}
for i = 1, 16 do step[i] = ARGV[4 + i] end
local j = redis.call("HMGET", job, "revision", "ended_at")
if not j[1] then return {"missing"} end
if j[2] then return {"ended"} end
if j[1] ~= ARGV[3] then return {"stale"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("ZREM", due, id)
-- What the last task told of itself is not true of the next one.
if step[8] ~= "" then redis.call("HDEL", job, "wait_until", "progress", "message", "stages") end
apply_step(prefix, job, id, step, clock(), {"revision", ARGV[3] + 1})
-- Who ended the task, and how, is kept for a while: a worker may send its result again.
if redis.call("HDEL", task, "params", "outcome") > 0 then redis.call("PEXPIRE", task, ARGV[4]) end
return {"ok"}
