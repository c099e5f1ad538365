-- retry_job: quarantined | failed -> running, from the state that failed     story: a_quarantined_job_goes_on_from_the_state_that_failed
-- KEYS job, due   ARGV prefix, id, actor   replies: ok | missing | not_ended state | not_failed state |
-- packed (it is to be unpacked first) | not_unique id (an unfinished job has its key by now)
local job, due, prefix, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local j = fields_of(job, {"revision", "ended_at", "state", "client", "result_ms", "unique", "slot", "hash"})
if not j.revision then return {"missing"} end
if not j.ended_at then return {"not_ended", j.state} end
if j.state ~= "quarantined" and j.state ~= "failed" then return {"not_failed", j.state} end
if not j.hash then return {"packed"} end
local unique = j.unique and j.unique ~= "" and prefix .. "unique:" .. j.unique
local other = unique and redis.call("GET", unique)
if other then return {"not_unique", other} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
if unique then redis.call("SET", unique, id) end
redis.call("PERSIST", job)
redis.call("PERSIST", prefix .. "events:" .. id)
redis.call("PERSIST", prefix .. "live:" .. id)
redis.call("PERSIST", prefix .. "webhooks:" .. id)
redis.call("HDEL", job, "ended_at", "error", "result", "cancelling_at", "cancel", "deadline")
redis.call("HSET", job, "state", "running", "revision", j.revision + 1, "start", "again", "task", "", "fan", "", "child", "",
  "wait_until", "")
if j.result_ms and j.result_ms ~= "" then
  redis.call("HSET", job, "deadline", whole(now + j.result_ms))
  redis.call("ZADD", prefix .. "deadlines", now + j.result_ms, id)
end
redis.call("HINCRBY", prefix .. "counts", "open:" .. j.client, 1)
redis.call("HINCRBY", prefix .. "counts", "ended:" .. j.state, -1)
redis.call("ZADD", due, now, id)
index_state(prefix, j.slot, nil, "running")
record(prefix, id, "retried", "actor", ARGV[3])
return {"ok"}
