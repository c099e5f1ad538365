-- replay_delivery: any -> pending, and due now                           story: a_delivery_is_replayed_under_its_id
-- KEYS deliveries, log   ARGV member, name   replies: ok | missing
local deliveries, log, member, name = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
if redis.call("HEXISTS", log, name .. ":state") == 0 then return {"missing"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = whole(clock())
redis.call("ZADD", deliveries, now, member)
redis.call("HSET", log, name .. ":state", "pending", name .. ":since", now, name .. ":next_at", now, name .. ":tries", 0)
return {"ok"}
