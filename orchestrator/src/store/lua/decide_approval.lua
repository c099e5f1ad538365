-- decide_approval: a person has decided what a branch waits for            story: an_approval_is_decided_once
-- KEYS branch, approvals, job, due   ARGV prefix, branch, decision, actor, comment, outcome, recheck_ms
-- replies: ok | not_waiting
local record_key, approvals, job, due, prefix, branch = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local b = redis.call("HMGET", record_key, "task", "task_state", "ended_at")
local j = redis.call("HMGET", job, "ended_at", "cancelling_at")
if b[2] ~= "open" or b[3] or j[1] or j[2] or redis.call("HEXISTS", approvals, branch) == 0 then return {"not_waiting"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
drop_approval(prefix, branch)
redis.call("HSET", record_key, "task_state", "done", "outcome", ARGV[6])
redis.call("ZADD", due, clock() + ARGV[7], branch)
record(prefix, job_of(branch), "approval_decided", "branch", branch, "decision", ARGV[3], "actor", ARGV[4], "comment", ARGV[5])
return {"ok"}
