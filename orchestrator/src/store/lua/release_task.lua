-- release_task: leased -> queued, without counting an attempt            story: a_drained_worker_hands_its_task_back
-- KEYS task, leases   ARGV prefix, id, job id, worker, token ("" when the worker sends none)   replies: ok | missing | lease_lost
local task, leases, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local t = redis.call("HMGET", task, "state", "worker", "token", "queue", "score")
if not t[1] then return {"missing"} end
if t[1] ~= "leased" or t[2] ~= ARGV[4] or (ARGV[5] ~= "" and ARGV[5] ~= t[3]) then return {"lease_lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("HSET", task, "state", "queued", "worker", "")
redis.call("ZREM", leases, id)
enqueue(prefix, t[4], id, t[5])
record(prefix .. "events:" .. ARGV[3], "released", "task", id, "worker", ARGV[4])
return {"ok"}
