-- expire_leases: leased -> queued (never confirmed) | done (lost)        story: a_killed_workers_task_runs_again
-- KEYS leases, due   ARGV prefix, limit, unconfirmed claims allowed, recheck_ms, outcome when lost, outcome when overdue
-- replies: the ids of the jobs that need their next step
local leases, due, prefix = KEYS[1], KEYS[2], ARGV[1]
local now = clock()
local jobs = {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", leases, "-inf", now, "LIMIT", 0, ARGV[2])) do
  local task, job = prefix .. "task:" .. id, id:match("^[^.]+")
  local t = redis.call("HMGET", task, "state", "confirmed", "deadline", "unconfirmed", "queue", "score", "worker")
  redis.call("ZREM", leases, id)
  if t[1] == "leased" then
    local overdue = t[3] ~= "" and tonumber(t[3]) <= now
    if t[2] ~= "1" and not overdue and (tonumber(t[4]) or 0) < tonumber(ARGV[3]) then
      -- The worker never said that it has the task: most likely the answer to its poll was lost.
      redis.call("HINCRBY", task, "unconfirmed", 1)
      redis.call("HSET", task, "state", "queued", "worker", "")
      enqueue(prefix, t[5], id, t[6])
      record(prefix .. "events:" .. job, "requeued", "task", id, "worker", t[7])
    else
      -- Without the name of its worker, whose next heartbeat will hear that it holds the task no more.
      redis.call("HSET", task, "state", "done", "worker", "", "outcome", overdue and ARGV[6] or ARGV[5], "digest", "expired")
      redis.call("ZADD", due, "LT", now + ARGV[4], job)
      record(prefix .. "events:" .. job, overdue and "timed_out" or "lease_expired", "task", id, "worker", t[7])
      jobs[#jobs + 1] = job
    end
  end
end
return jobs
