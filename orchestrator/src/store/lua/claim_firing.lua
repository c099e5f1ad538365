-- claim_firing: an instant of a schedule -> fired, or passed over               story: an_instant_is_claimed_once
-- KEYS schedule, schedules that are due, firings without a job, history
-- ARGV id, revision that was read, instant that was next, instant to be next ("" for none), instant to create a job for
--   ("" for none), how long others leave it to the caller in ms, entries that the history keeps, entries to write …
-- replies: ok | lost (somebody else claimed it, or the schedule was edited)
local schedule, due, open, history = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, was_next, next, fire = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local kept = redis.call("HMGET", schedule, "revision", "next")
if kept[1] ~= ARGV[2] or kept[2] ~= was_next then return {"lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if next == "" then
  redis.call("HDEL", schedule, "next")
  redis.call("ZREM", due, id)
else
  redis.call("HSET", schedule, "next", next)
  redis.call("ZADD", due, next, id)
end
redis.call("HSET", schedule, "fired", fire ~= "" and fire or was_next)
if fire ~= "" then
  redis.call("HINCRBY", schedule, "open", 1)
  redis.call("ZADD", open, clock() + ARGV[6], id .. "|" .. fire)
end
for i = 8, #ARGV do redis.call("LPUSH", history, ARGV[i]) end
redis.call("LTRIM", history, 0, ARGV[7] - 1)
return {"ok"}
