-- defer_deliveries: held -> due again later, without an attempt          story: a_dead_receiver_does_not_slow_another
-- KEYS deliveries   ARGV member, token, delay_ms, and so on   replies: ok
local deliveries, now = KEYS[1], clock()
for i = 1, #ARGV, 3 do
  if redis.call("ZSCORE", deliveries, ARGV[i]) == ARGV[i + 1] then
    redis.call("ZADD", deliveries, whole(now + ARGV[i + 2]), ARGV[i])
  end
end
return {"ok"}
