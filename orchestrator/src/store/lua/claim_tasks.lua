-- claim_tasks: queued -> leased                                          story: a_task_is_claimed_by_one_worker_only
-- KEYS leases, queue...   ARGV prefix, worker, max, lease_ms, confirm_ms
-- replies: "empty" when no queue holds any more, else "more"; then one list per task: id, skill, params, attempt, token, priority, deadline ("" for none), queued_at, now
local leases, prefix, worker = KEYS[1], ARGV[1], ARGV[2]
local max, lease_ms, confirm_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

-- The task that should go first among the heads of the queues that this worker can serve.
local function next_task()
  if #KEYS == 2 then return redis.call("ZPOPMIN", KEYS[2])[1] end
  local best_queue, best_task, best_score
  for i = 2, #KEYS do
    local head = redis.call("ZRANGE", KEYS[i], 0, 0, "WITHSCORES")
    local score = tonumber(head[2])
    if score and (not best_score or score < best_score) then
      best_queue, best_task, best_score = KEYS[i], head[1], score
    end
  end
  if best_task then redis.call("ZREM", best_queue, best_task) end
  return best_task
end

local claimed, now = {}, nil
while #claimed < max do
  local id = next_task()
  if not id then break end
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
      deadline ~= "" and string.format("%.0f", deadline) or "", t[8], string.format("%.0f", now)}
  end
end
if #claimed < max or redis.call("EXISTS", unpack(KEYS, 2)) == 0 then return {"empty", claimed} end
return {"more", claimed}
