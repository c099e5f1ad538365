-- renew_leases: leased -> leased, and confirmed                          story: a_heartbeat_keeps_a_long_task
-- KEYS leases   ARGV prefix, worker, id...   replies: the ids that this worker does not hold (any more)
local leases, prefix, worker = KEYS[1], ARGV[1], ARGV[2]
local now, lost = clock(), {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local task = prefix .. "task:" .. id
  local t = redis.call("HMGET", task, "state", "worker", "lease_ms", "deadline", "confirmed")
  if t[1] == "leased" and t[2] == worker then
    local expiry = now + t[3]
    if t[4] ~= "" then expiry = math.min(expiry, tonumber(t[4])) end
    redis.call("ZADD", leases, expiry, id)
    if t[5] ~= "1" then redis.call("HSET", task, "confirmed", 1) end
  elseif t[1] ~= "done" or t[2] ~= worker then
    -- A task that this worker has just ended is no news to it.
    lost[#lost + 1] = id
  end
end
return lost
