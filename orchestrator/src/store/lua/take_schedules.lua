-- take_schedules: what is to be done about schedules now                  story: a_firing_is_held_back_from_other_replicas
-- KEYS schedules that are due, firings without a job   ARGV how long a firing is held back in ms, at most this many of each
-- replies: ok, the clock, schedules that are due, firings that were claimed and have no job yet
local due, open = KEYS[1], KEYS[2]
local now = clock()
local schedules = redis.call("ZRANGEBYSCORE", due, "-inf", now, "LIMIT", 0, ARGV[2])
local firings = redis.call("ZRANGEBYSCORE", open, "-inf", now, "LIMIT", 0, ARGV[2])
-- No check below this line: Redis keeps what a script wrote before it stopped.
for _, firing in ipairs(firings) do redis.call("ZADD", open, now + ARGV[1], firing) end
return {"ok", now, schedules, firings}
