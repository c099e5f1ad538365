-- beat_worker: a worker that is known is known a while longer            story: a_heartbeat_leaves_a_newer_registration_alone
-- KEYS worker, all workers   ARGV id, heartbeat ("" to keep the last one), skills ("" when it names none)
-- replies: ok and its fields | missing
local worker, all, id, heartbeat, skills = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local memory_ms = redis.call("HGET", worker, "memory_ms")
if not memory_ms then return {"missing"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if heartbeat ~= "" then redis.call("HSET", worker, "heartbeat", heartbeat) end
if skills ~= "" then redis.call("HSET", worker, "skills", skills) end
redis.call("PEXPIRE", worker, memory_ms)
redis.call("ZADD", all, clock(), id)
return {"ok", redis.call("HMGET", worker, "registration", "heartbeat", "skills", "good", "bad")}
