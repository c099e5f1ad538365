-- record_attempt: held -> pending (due again later) | delivered | dead | gone | refused     story: a_receiver_that_fails_twice_is_tried_again
-- KEYS deliveries, log, job   ARGV member, token, name, state, delay_ms ("" when it is over), tries, attempts
-- replies: ok | lease_lost
local deliveries, log, job, member, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3]
if redis.call("ZSCORE", deliveries, member) ~= ARGV[2] then return {"lease_lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local next_at = ""
if ARGV[5] == "" then
  redis.call("ZREM", deliveries, member)
else
  next_at = whole(clock() + ARGV[5])
  redis.call("ZADD", deliveries, next_at, member)
end
redis.call("HSET", log, name .. ":state", ARGV[4], name .. ":next_at", next_at, name .. ":tries", ARGV[6], name .. ":attempts", ARGV[7])
keep_as_long(log, job)
return {"ok"}
