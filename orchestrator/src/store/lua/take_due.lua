-- take_due: what is due, each entry held back for a while so that one replica works on it
-- story: a_replica_that_dies_between_two_steps_delays_the_job_only
-- KEYS due   ARGV limit, hold_ms   replies: entries
local now = clock()
local entries = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[1])
for _, entry in ipairs(entries) do redis.call("ZADD", KEYS[1], now + ARGV[2], entry) end
return entries
