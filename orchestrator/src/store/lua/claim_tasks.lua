-- claim_tasks: queued -> leased | parked                                 story: a_task_is_claimed_by_one_worker_only
-- KEYS leases, queue...   ARGV prefix, worker, max, lease_ms, confirm_ms, "1" if a blueprint may be paused
-- replies: "empty" when no queue holds any more, else "more"; then one list per task: id, skill, params, attempt, token,
-- priority, deadline ("" for none), heartbeat_ms ("" for none), queued_at, now, trace ("" for none)
local leases, prefix, worker = KEYS[1], ARGV[1], ARGV[2]
local max, lease_ms, confirm_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now
local parked = false

-- Puts a task where it waits for something else than a worker. A slot that is free and was for it goes to another one.
local function park(task, record_key, name, slots)
  redis.call("ZADD", prefix .. "parked:" .. name, redis.call("HGET", record_key, "score"), task)
  redis.call("HSET", record_key, "task_state", "parked", "parked", name)
  now = now or clock()
  fill_slots(prefix, slots, now)
  parked = true
end

-- Whether all slots that a task needs are free; it takes them, or waits for the first that is not.
local function take_slots(task, record_key, slots, queue)
  for name, limit in slots:gmatch("(%S+)=(%d+)") do
    if redis.call("SCARD", prefix .. "slot:" .. name) >= tonumber(limit) then
      redis.call("SADD", prefix .. "parked:" .. name, queue)
      park(task, record_key, name .. ":" .. queue, slots)
      return false
    end
  end
  for name in slots:gmatch("(%S+)=%d+") do redis.call("SADD", prefix .. "slot:" .. name, task) end
  return true
end

-- Leases the task if it can be had. A task that is gone or no longer queued leaves its queue without a word.
local function lease(head)
  local task = head.task
  redis.call("ZREM", head.queue, task)
  local branch, job = branch_of(task), job_of(task)
  local record_key, job_key = record_of(prefix, branch), prefix .. "job:" .. job
  local t = redis.call("HMGET", record_key, "task", "task_state", "skill", "params", "attempt", "priority", "timeout_ms",
    "heartbeat_ms", "queued_at", "claims", "slots")
  if t[2] ~= "queued" or branch .. "." .. t[1] ~= task then return end
  now = now or clock()
  local j = redis.call("HMGET", job_key, "started_at", "ended_at", "cancelling_at", "deadline", "trace", "slot", "state")
  if j[2] or j[3] then return fill_slots(prefix, t[11], now) end
  if ARGV[6] == "1" then
    local blueprint = redis.call("HGET", job_key, "blueprint")
    if redis.call("SISMEMBER", prefix .. "paused", blueprint) == 1 then
      return park(task, record_key, "blueprint:" .. blueprint, t[11])
    end
  end
  if t[11] and t[11] ~= "" and not take_slots(task, record_key, t[11], head.queue:sub(#prefix + 7)) then return end

  local token = (tonumber(t[10]) or 0) + 1
  local deadline = t[7] ~= "" and now + t[7] or nil
  if j[4] and j[4] ~= "" then deadline = math.min(deadline or math.huge, tonumber(j[4])) end
  local lease = t[8] ~= "" and math.min(lease_ms, tonumber(t[8])) or lease_ms
  local expiry = now + math.min(lease, confirm_ms)
  if t[7] ~= "" then expiry = math.min(expiry, now + t[7]) end
  redis.call("HSET", record_key, "task_state", "leased", "worker", worker, "token", token, "claims", token, "leased_at", now,
    "lease_ms", lease, "task_deadline", t[7] ~= "" and whole(now + t[7]) or "", "confirmed", 0)
  redis.call("ZADD", leases, expiry, task)
  redis.call("ZADD", prefix .. "fair:" .. head.queue:sub(#prefix + 7), "GT", whole(head.score + t[6] * 1e12), "")
  if j[1] then redis.call("HSET", job_key, "state", "running")
  else redis.call("HSET", job_key, "state", "running", "started_at", now) end
  index_state(prefix, j[6], j[7], "running")
  record(prefix, job, "leased", "task", task, "worker", worker, "attempt", t[5])
  return {task, t[3], t[4], t[5], tostring(token), t[6], deadline and whole(deadline) or "", t[8], t[9], whole(now), j[5] or ""}
end

local claimed, seen = {}, 0
while true do
  -- The first of every queue that this worker can serve, one more than it may have, the best of all first.
  local heads = {}
  for i = 2, #KEYS do
    local head = redis.call("ZRANGE", KEYS[i], 0, max - #claimed, "WITHSCORES")
    for j = 1, #head, 2 do heads[#heads + 1] = {queue = KEYS[i], task = head[j], score = tonumber(head[j + 1])} end
  end
  if #heads == 0 then return {"empty", claimed} end
  table.sort(heads, function(a, b)
    if a.score ~= b.score then return a.score < b.score end
    return a.task < b.task
  end)
  local room = max - #claimed
  parked = false
  for i = 1, math.min(room, #heads) do claimed[#claimed + 1] = lease(heads[i]) end
  -- Where one was parked, others may have been queued instead.
  if #heads <= room and not parked then return {"empty", claimed} end
  seen = seen + room
  -- Tasks that could not be had are looked past, but not for ever: the worker asks again.
  if #claimed == max or seen > 200 then return {"more", claimed} end
end
