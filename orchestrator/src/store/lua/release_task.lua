-- release_task: leased -> queued, without counting an attempt            story: a_drained_worker_hands_its_task_back
-- KEYS branch, leases   ARGV prefix, id, worker, token ("" when the worker sends none)   replies: ok | missing | lease_lost
local record_key, leases, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local t = redis.call("HMGET", record_key, "task", "task_state", "worker", "token", "queue", "score", "slots", "dispatch_ms")
if not t[1] then return {"missing"} end
if t[1] ~= id:match("%d+$") or t[2] ~= "leased" or t[3] ~= ARGV[3] or (ARGV[4] ~= "" and ARGV[4] ~= t[4]) then
  return {"lease_lost"}
end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
redis.call("HSET", record_key, "task_state", "queued", "worker", "")
redis.call("ZREM", leases, id)
free_slots(prefix, t[7], id, now)
enqueue(prefix, t[5], id, t[6], t[8], now)
record(prefix, job_of(id), "released", "task", id, "worker", ARGV[3])
return {"ok"}
