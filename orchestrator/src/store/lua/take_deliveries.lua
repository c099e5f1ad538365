-- take_deliveries: due -> held for a while by the replica that asks      story: a_delivery_outlives_the_replica_that_held_it
-- KEYS deliveries   ARGV prefix, limit, hold_ms
-- replies: now, then for each: member, token, url, client, created_at, since, tries, attempts
local deliveries, prefix, hold = KEYS[1], ARGV[1], tonumber(ARGV[3])
local now, taken = clock(), {}
local due = redis.call("ZRANGEBYSCORE", deliveries, "-inf", now, "WITHSCORES", "LIMIT", 0, ARGV[2])
local token = whole(now + hold)
for i = 1, #due, 2 do
  local member, score = due[i], due[i + 1]
  local id, name = string.match(member, "^([^|]+)|(.+)$")
  local job, log = prefix .. "job:" .. (id or ""), prefix .. "webhooks:" .. (id or "")
  local j = redis.call("HMGET", job, "webhook_url", "client")
  if j[1] and j[1] ~= "" then
    redis.call("ZADD", deliveries, token, member)
    if redis.call("HSETNX", log, name .. ":created_at", score) == 1 then
      redis.call("HSET", log, name .. ":since", score, name .. ":tries", 0, name .. ":state", "pending", name .. ":next_at", score)
    end
    keep_as_long(log, job)
    local l = redis.call("HMGET", log, name .. ":created_at", name .. ":since", name .. ":tries", name .. ":attempts")
    taken[#taken + 1] = {member, token, j[1], j[2], l[1], l[2], l[3], l[4] or "[]"}
  else
    -- The job is gone, and whoever waited for it has had a day and more.
    redis.call("ZREM", deliveries, member)
  end
end
return {whole(now), taken}
