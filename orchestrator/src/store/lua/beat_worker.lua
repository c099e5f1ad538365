-- beat_worker: a worker that is known is known a while longer            story: a_heartbeat_leaves_a_newer_registration_alone
-- KEYS worker, all workers, those with devices   ARGV id, heartbeat ("" to keep the last one), skills ("" when it names none), usage ("" to
-- keep the last one), 1 when that is of devices too, how long any worker is known in ms   replies: ok and its fields | missing
local worker, all, with_devices, id, heartbeat, skills, usage = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local memory_ms = redis.call("HGET", worker, "memory_ms")
if not memory_ms then return {"missing"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if heartbeat ~= "" then redis.call("HSET", worker, "heartbeat", heartbeat) end
if skills ~= "" then redis.call("HSET", worker, "skills", skills) end
redis.call("PEXPIRE", worker, memory_ms)
local now = clock()
redis.call("ZADD", all, now, id)
if usage ~= "" then redis.call("HSET", worker, "usage", usage) end
if ARGV[5] == "1" then
  redis.call("ZADD", with_devices, now, id)
  redis.call("ZREMRANGEBYSCORE", with_devices, "-inf", now - ARGV[6])
end
return {"ok", redis.call("HMGET", worker, "registration", "heartbeat", "skills", "good", "bad", "usage")}
