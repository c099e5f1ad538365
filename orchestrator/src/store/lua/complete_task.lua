-- complete_task: leased -> done                                          story: late_result_is_refused
-- KEYS task, leases, due, job   ARGV id, job id, worker, token ("" when the worker sends none), outcome, digest, recheck_ms
-- replies: ok now leased_at and the job's fields | duplicate | missing | lease_lost
local task, leases, due, job = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, job_id, worker, token, outcome, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local t = redis.call("HMGET", task, "state", "worker", "token", "digest", "leased_at")
if not t[1] then return {"missing"} end
local mine = t[2] == worker and (token == "" or token == t[3])
if t[1] == "done" and mine and t[4] == digest then return {"duplicate"} end
if t[1] ~= "leased" or not mine then return {"lease_lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
redis.call("HSET", task, "state", "done", "outcome", outcome, "digest", digest)
redis.call("ZREM", leases, id)
-- Should the replica that asked die before it takes the next step, another one finds the job here.
redis.call("ZADD", due, "LT", now + ARGV[7], job_id)
return {"ok", string.format("%.0f", now), t[5],
  redis.call("HMGET", job, "revision", "state", "hash", "execution", "input", "source", "created_at", "client", "priority")}
