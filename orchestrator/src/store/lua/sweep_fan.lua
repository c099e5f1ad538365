-- sweep_fan: the branches of a fan-out that is over are stopped, a part at a time     story: what_a_failed_fan_left_behind_is_stopped
-- KEYS fan, sweep, job   ARGV prefix, `<job>.<fan>`, at most so many, keep_ms
-- While a cancelled job has its grace, tasks that are held are only asked to stop.
-- replies: done | more, then worker and task of each that is to be told, then the children to be cancelled
local fan, sweep, job, prefix, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local f = redis.call("HMGET", fan, "opened", "swept", "state")
local j = redis.call("HMGET", job, "ended_at", "cancelling_at")
local asking = j[2] and not j[1]
local first = tonumber(f[2] or 0)
local last = math.min(tonumber(f[1] or 0), first + ARGV[3])
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now, told, children = clock(), {}, {}
for index = first, last - 1 do
  local branch = name .. "." .. whole(index)
  local record_key = prefix .. "branch:" .. branch
  local b = redis.call("HMGET", record_key, "revision", "ended_at", "task", "task_state", "worker", "fan")
  if b[1] and not b[2] then
    if asking and b[4] == "leased" and b[3] ~= "" then
      redis.call("HSET", record_key, "cancel", b[3])
      told[#told + 1] = b[5]
      told[#told + 1] = branch .. "." .. b[3]
    elseif asking and b[6] and b[6] ~= "" then
      -- It is stopped with what it waits for, when the grace is over.
      close_fan(prefix, job_of(name) .. "." .. b[6], now)
    else
      local worker, task, child = abort(prefix, branch, record_key, now)
      redis.call("HSET", record_key, "ended_at", now)
      redis.call("HDEL", record_key, "execution", "params", "start")
      redis.call("PEXPIRE", record_key, ARGV[4])
      if worker ~= "" then
        told[#told + 1] = worker
        told[#told + 1] = task
      end
      if child ~= "" then children[#children + 1] = child end
    end
  end
end
local done = last >= tonumber(f[1] or 0)
if done then
  redis.call("ZREM", sweep, name)
  redis.call("HDEL", fan, "swept")
  if not asking then
    redis.call("UNLINK", prefix .. "items:" .. name, prefix .. "results:" .. name)
    redis.call("PEXPIRE", fan, ARGV[4])
  end
elseif f[1] then
  redis.call("HSET", fan, "swept", last)
end
return {done and "done" or "more", told, children}
