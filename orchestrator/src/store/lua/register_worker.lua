-- register_worker: a worker is known, in place of what was known of it     story: a_heartbeat_leaves_a_newer_registration_alone
-- KEYS worker, all workers
-- ARGV id, registration, how long it is known without a word in ms, how long any worker is at most   replies: ok
local worker, all, id = KEYS[1], KEYS[2], ARGV[1]
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
-- Its good and bad results are its own also after a restart.
redis.call("HDEL", worker, "heartbeat", "skills", "usage")
redis.call("HSET", worker, "registration", ARGV[2], "memory_ms", ARGV[3], "registered_at", now)
redis.call("PEXPIRE", worker, ARGV[3])
redis.call("ZADD", all, now, id)
redis.call("ZREMRANGEBYSCORE", all, "-inf", now - ARGV[4])
return {"ok"}
