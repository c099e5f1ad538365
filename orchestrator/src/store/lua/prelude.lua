-- prelude: the words that several scripts share; put in front of each of them.

-- Milliseconds since 1970 on Redis's clock, the only clock that a deadline is set or tested with.
local function clock()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- One line of a job's history.
local function record(events, kind, ...)
  redis.call("XADD", events, "MAXLEN", "~", 2000, "*", "event", kind, ...)
end

-- Puts a task into its queue and wakes one waiting poll on every replica.
-- The score orders by priority, then by age.
local function enqueue(prefix, queue, id, score)
  redis.call("ZADD", prefix .. "queue:" .. queue, score, id)
  redis.call("PUBLISH", "relevo:wake", queue)
end

-- Writes one step of a blueprint, as the domain decided it, with more fields of the job. `step` holds, in order:
--   1 state  2 execution  3 current state  4 states entered  5 due in ms  6 result  7 error
--   8 task id  9 skill  10 queue  11 params  12 timeout ms  13 heartbeat ms  14 attempt  15 priority  16 retention ms
-- An empty string stands for "none".
local function apply_step(prefix, job, id, step, now, fields)
  local function field(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  field("state", step[1])
  field("execution", step[2])
  field("current", step[3])
  field("task", step[8])
  local ended = step[16] ~= ""
  if step[6] ~= "" then field("result", step[6]) end
  if step[7] ~= "" then field("error", step[7]) end
  if step[5] ~= "" then field("wait_until", now + step[5]) end
  if ended then field("ended_at", now) end
  redis.call("HSET", job, unpack(fields))

  local events = prefix .. "events:" .. id
  record(events, ended and step[1] or "advanced", "entered", step[4], "task", step[8])
  if step[5] ~= "" then redis.call("ZADD", prefix .. "due", now + step[5], id) end
  if step[8] ~= "" then
    local score = now - step[15] * 1e12
    redis.call("HSET", prefix .. "task:" .. step[8],
      "state", "queued", "skill", step[9], "queue", step[10], "params", step[11], "timeout_ms", step[12],
      "heartbeat_ms", step[13], "attempt", step[14], "priority", step[15], "score", score, "queued_at", now)
    enqueue(prefix, step[10], step[8], score)
  end
  if ended then
    redis.call("PEXPIRE", job, step[16])
    redis.call("PEXPIRE", events, step[16])
  end
end
