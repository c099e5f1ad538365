-- claim_tasks: queued -> leased                                          story: a_task_is_claimed_by_one_worker_only
-- KEYS leases, queue...   ARGV prefix, worker, max, lease_ms, confirm_ms
-- replies: "empty" when no queue holds any more, else "more"; then one list per task: id, skill, params, attempt, token,
-- priority, deadline, heartbeat_ms ("" for none), queued_at, now
local leases, prefix, worker = KEYS[1], ARGV[1], ARGV[2]
local max, lease_ms, confirm_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

-- The first of every queue that this worker can serve, one more than it may have, the best of all first.
local heads = {}
for i = 2, #KEYS do
  local head = redis.call("ZRANGE", KEYS[i], 0, max, "WITHSCORES")
  for j = 1, #head, 2 do heads[#heads + 1] = {queue = KEYS[i], task = head[j], score = tonumber(head[j + 1])} end
end
table.sort(heads, function(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.task < b.task
end)

local claimed, now = {}, nil
for _, head in ipairs(heads) do
  if #claimed == max then break end
  local id = head.task
  redis.call("ZREM", head.queue, id)
  local task = prefix .. "task:" .. id
  local t = redis.call("HMGET", task,
    "state", "skill", "params", "attempt", "priority", "timeout_ms", "heartbeat_ms", "queued_at", "claims")
  -- A task that is gone or no longer queued leaves its queue without a word.
  if t[1] == "queued" then
    now = now or clock()
    local token = (tonumber(t[9]) or 0) + 1
    local deadline = t[6] ~= "" and now + t[6] or ""
    local lease = t[7] ~= "" and math.min(lease_ms, tonumber(t[7])) or lease_ms
    local expiry = now + math.min(lease, confirm_ms)
    if deadline ~= "" then expiry = math.min(expiry, deadline) end
    local job = id:match("^[^.]+")
    redis.call("HSET", task, "state", "leased", "worker", worker, "token", token, "claims", token,
      "leased_at", now, "lease_ms", lease, "deadline", deadline, "confirmed", 0)
    redis.call("ZADD", leases, expiry, id)
    redis.call("HSETNX", prefix .. "job:" .. job, "started_at", now)
    redis.call("HSET", prefix .. "job:" .. job, "state", "running")
    record(prefix .. "events:" .. job, "leased", "task", id, "worker", worker, "attempt", t[4])
    claimed[#claimed + 1] = {id, t[2], t[3], t[4], tostring(token), t[5],
      deadline ~= "" and string.format("%.0f", deadline) or "", t[7], t[8], string.format("%.0f", now)}
  end
end
return {#heads <= max and "empty" or "more", claimed}
