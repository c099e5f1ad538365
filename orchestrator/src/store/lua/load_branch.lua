-- load_branch: reads a branch with what it waits for; takes it off the list when there is nothing to do
-- story: a_replica_that_dies_between_two_steps_delays_the_job_only
-- KEYS branch, due, job   ARGV prefix, branch
-- replies: ok now, outcome of its task ("" for none), state, result and error of its child, state, error and room of its fan, the
-- branch's fields, and those of the job for its own branch | idle
local record_key, due, job, prefix, branch = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]
local b = redis.call("HMGET", record_key, unpack(BRANCH_FIELDS))
local more = redis.call("HMGET", record_key, "ended_at", "task_state", "outcome")
local wait_until, task, fan, child = b[4] or "", b[5] or "", b[6] or "", b[7] or ""
local c, f = {false, false, false}, {false, false, false}
local idle = not b[1] or more[1] or redis.call("HGET", job, "ended_at")
if not idle and fan ~= "" then
  f = redis.call("HMGET", prefix .. "fan:" .. job_of(branch) .. "." .. fan, "state", "error", "opened", "total", "running", "limit")
  local room = f[1] == "open" and tonumber(f[3]) < tonumber(f[4]) and (f[6] == "" or tonumber(f[5]) < tonumber(f[6]))
  idle = f[1] == "open" and not room
  f = {f[1], f[2], room and "1" or ""}
elseif not idle and child ~= "" then
  c = redis.call("HMGET", prefix .. "job:" .. child, "state", "result", "error", "ended_at")
  if c[1] and not c[4] and wait_until ~= "" then
    if clock() < tonumber(wait_until) then
      redis.call("ZADD", due, wait_until, branch)
      return {"idle"}
    end
  else
    idle = c[1] and not c[4]
  end
elseif not idle and task ~= "" then
  idle = more[2] == "queued" or more[2] == "leased" or more[2] == "parked" or (more[2] == "open" and wait_until == "")
end
if idle then
  redis.call("ZREM", due, branch)
  return {"idle"}
end
local words = {"ok", whole(clock()), more[3] or "", c[1] or "", c[2] or "", c[3] or "", f[1] or "", f[2] or "", f[3] or "", b}
if job == record_key then words[11] = redis.call("HMGET", job, unpack(JOB_FIELDS)) end
return words
