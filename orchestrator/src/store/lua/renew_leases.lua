-- renew_leases: leased -> leased, and confirmed                          story: a_heartbeat_keeps_a_long_task
-- KEYS leases   ARGV prefix, worker, id...
-- replies: the ids that this worker does not hold (any more), then those that it should stop because they are cancelled
local leases, prefix, worker = KEYS[1], ARGV[1], ARGV[2]
local now, lost, cancelled = clock(), {}, {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local record_key = record_of(prefix, branch_of(id))
  local t = redis.call("HMGET", record_key, "task", "task_state", "worker", "lease_ms", "task_deadline", "confirmed", "cancel", "last")
  local number = id:match("%d+$")
  local mine = t[1] == number and t[3] == worker
  if mine and t[2] == "leased" then
    local expiry = now + t[4]
    if t[5] ~= "" then expiry = math.min(expiry, tonumber(t[5])) end
    redis.call("ZADD", leases, expiry, id)
    if t[6] ~= "1" then redis.call("HSET", record_key, "confirmed", 1) end
    if t[7] == number then cancelled[#cancelled + 1] = id end
  elseif mine and t[2] == "revoked" then
    cancelled[#cancelled + 1] = id
  elseif not (mine and t[2] == "done") then
    -- A task that this worker has just ended is no news to it.
    local last = number .. "|" .. worker .. "|"
    if not (t[8] and t[8]:sub(1, #last) == last) then lost[#lost + 1] = id end
  end
end
return {lost, cancelled}
