-- expire_leases: leased -> queued (never confirmed) | done (lost), queued -> done (nobody came)   story: a_killed_workers_task_runs_again
-- KEYS leases, due   ARGV prefix, limit, unconfirmed claims allowed, recheck_ms, outcome when lost, when overdue, when never claimed
-- replies: each branch that needs its next step, and who held its task ("" for nobody), one after the other
local leases, due, prefix = KEYS[1], KEYS[2], ARGV[1]
local now = clock()
local branches = {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", leases, "-inf", now, "LIMIT", 0, ARGV[2])) do
  local branch, job = branch_of(id), job_of(id)
  local record_key = record_of(prefix, branch)
  local t = redis.call("HMGET", record_key, "task", "task_state", "confirmed", "task_deadline", "unconfirmed", "queue", "score",
    "worker", "slots", "dispatch_ms")
  local held_by = t[2] == "leased" and t[8] or ""
  redis.call("ZREM", leases, id)
  local function ended(outcome, event)
    -- Without the name of its worker, whose next heartbeat will hear that it holds the task no more.
    redis.call("HSET", record_key, "task_state", "done", "worker", "", "outcome", outcome, "digest", "expired")
    redis.call("ZADD", due, now + ARGV[4], branch)
    record(prefix, job, event, "task", id, "worker", held_by)
    branches[#branches + 1] = branch
    branches[#branches + 1] = held_by
  end
  if t[1] == id:match("%d+$") and t[2] == "leased" then
    local overdue = t[4] ~= "" and tonumber(t[4]) <= now
    free_slots(prefix, t[9], id, now)
    if t[3] ~= "1" and not overdue and (tonumber(t[5]) or 0) < tonumber(ARGV[3]) then
      -- The worker never said that it has the task: most likely the answer to its poll was lost.
      redis.call("HINCRBY", record_key, "unconfirmed", 1)
      redis.call("HSET", record_key, "task_state", "queued", "worker", "")
      enqueue(prefix, t[6], id, t[7], t[10], now)
      record(prefix, job, "requeued", "task", id, "worker", held_by)
    else
      ended(overdue and ARGV[6] or ARGV[5], overdue and "timed_out" or "lease_expired")
    end
  elseif t[1] == id:match("%d+$") and (t[2] == "queued" or t[2] == "parked") then
    revoke(prefix, record_key, id, now)
    ended(ARGV[7], "never_claimed")
  end
end
return branches
