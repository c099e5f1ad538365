-- submit_job: nothing -> pending | waiting | completed | failed          story: a_job_submitted_twice_is_one_job
-- KEYS job   ARGV prefix, id, n, n identity fields and values, then a step (see prelude)   replies: ok | exists
local job, prefix, id, n = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local identity, step = {}, {}
for i = 1, n do identity[i] = ARGV[3 + i] end
for i = 1, 16 do step[i] = ARGV[3 + n + i] end
if redis.call("EXISTS", job) == 1 then return {"exists"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
identity[n + 1], identity[n + 2], identity[n + 3], identity[n + 4] = "revision", 1, "created_at", now
apply_step(prefix, job, id, step, now, identity)
return {"ok"}
