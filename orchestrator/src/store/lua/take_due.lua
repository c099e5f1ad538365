-- take_due: jobs whose time has come, each held back for a while so that one replica works on it
-- story: a_replica_that_dies_between_two_steps_delays_the_job_only
-- KEYS due   ARGV limit, hold_ms   replies: ids
local now = clock()
local ids = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[1])
for _, id in ipairs(ids) do redis.call("ZADD", KEYS[1], now + ARGV[2], id) end
return ids
