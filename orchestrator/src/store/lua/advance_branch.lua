-- advance_branch: one step of an item of a fan-out; its last one is told to the fan      story: a_fan_ends_with_its_last_branch
-- KEYS branch, due, job, fan   ARGV prefix, branch, revision, keep_ms, number of the task that has ended ("" for none), then a step
-- (see prelude), the last one with `ended`
-- replies: ok and what the fan wants: "" | "joined" (its parent can go on) | "more" (a branch can be opened) | missing | stale | ended
local record_key, due, job, fan, prefix, branch = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local step = named(6)
local b = fields_of(record_key, {"revision", "ended_at", "client", "priority", "dispatch_ms", "task", "task_state", "fan", "worker", "token", "digest"})
if not b.revision then return {"missing"} end
local j = redis.call("HMGET", job, "ended_at", "webhook_url", "cancelling_at")
if b.ended_at or j[1] or j[3] then return {"ended"} end
if b.revision ~= ARGV[3] then return {"stale"} end
local f = redis.call("HMGET", fan, "state", "total", "opened", "tolerated", "parent")
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now, id = clock(), job_of(branch)
redis.call("ZREM", due, branch)
local fields = {"revision", ARGV[3] + 1, "start", ""}
if ARGV[5] ~= "" then
  fields[#fields + 1] = "last"
  fields[#fields + 1] = last_task(b)
end
if step.ended then
  fields[#fields + 1] = "ended_at"
  fields[#fields + 1] = now
end
apply_step(prefix, branch, record_key, step, b, now, fields)
record(prefix, id, "advanced", "branch", branch, "entered", step.entered or "[]",
  "task", step.number and branch .. "." .. step.number or "")
if step.approval then
  announce(prefix, id, j[2], "approval_wanted", branch:sub(#id + 2) .. "." .. (ARGV[3] + 1), now)
end
if not step.ended then return {"ok", ""} end

-- The output is with the fan now; what is left of the branch answers results that come twice.
redis.call("HDEL", record_key, "result", "execution", "params")
redis.call("PEXPIRE", record_key, ARGV[4])
if f[1] ~= "open" then return {"ok", ""} end
redis.call("HINCRBY", fan, "running", -1)
local done = redis.call("HINCRBY", fan, "done", 1)
if step.error and redis.call("HINCRBY", fan, "failed", 1) > tonumber(f[4]) then
  redis.call("HSET", fan, "state", "failed", "error", step.error)
  redis.call("ZADD", due, now, f[5])
  redis.call("ZADD", prefix .. "sweep", now, fan:sub(#prefix + 5))
  return {"ok", "joined"}
end
if step.result then redis.call("HSET", prefix .. "results:" .. fan:sub(#prefix + 5), branch:match("%d+$"), step.result) end
if done == tonumber(f[2]) then
  redis.call("HSET", fan, "state", "succeeded")
  redis.call("ZADD", due, now, f[5])
  return {"ok", "joined"}
end
if tonumber(f[3]) == tonumber(f[2]) then return {"ok", ""} end
-- Should this replica die before it opens the next one, another one sees the room that there is.
redis.call("ZADD", due, now + RECHECK_MS, f[5])
return {"ok", "more"}
