-- prelude: the words that several scripts share; put in front of each of them.
--
-- A branch is `<job>`, the job's own, or `<job>.<fan>.<index>`; its record is the job's or one of its own. It has one task at
-- most, which is written into the record, with the id `<branch>.<number>`. An empty string stands for "none".

-- Milliseconds since 1970 on Redis's clock, the only clock that a deadline is set or tested with.
local function clock()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- After so long a step is looked after that nobody has taken.
local RECHECK_MS = 5000

-- A whole number without an exponent.
local function whole(number) return string.format("%.0f", number) end

local function job_of(id) return id:match("^[^.]+") end
local function branch_of(task) return task:match("^(.*)%.%d+$") end
local function record_of(prefix, branch)
  return prefix .. (branch:find(".", 1, true) and "branch:" or "job:") .. branch
end

-- The names and values in ARGV from `first` on, as a table.
local function named(first)
  local fields = {}
  for i = first, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
  return fields
end

-- These fields of a hash, as a table; one that is not there is false.
local function fields_of(key, names)
  local fields = {}
  for i, value in ipairs(redis.call("HMGET", key, unpack(names))) do fields[names[i]] = value end
  return fields
end

-- Lets a key live as long as another: for ever, or until the same instant.
local function keep_as_long(key, other)
  local ms = redis.call("PTTL", other)
  if ms == -1 then redis.call("PERSIST", key) elseif ms > 0 then redis.call("PEXPIRE", key, ms) end
end

-- One line of a job's history.
local function record(prefix, job, kind, ...)
  redis.call("XADD", prefix .. "events:" .. job, "MAXLEN", "~", 2000, "*", "event", kind, ...)
end

-- What those see who watch a job is numbered, and the numbers grow with time: a thousand for each millisecond, and never one twice.
-- In a stream, the number 1700000000000042 stands at 1700000000000-42.
local function next_seq(last, now) return math.max(now * 1000, (tonumber(last) or 0) + 1) end
local function place_of(seq) return whole(math.floor(seq / 1000)) .. "-" .. whole(seq % 1000) end

-- Events that are kept for those who watch a job, about.
local LIVE_EVENTS = 1000

-- Has those who watch a job look at it.
local function call_watchers(job) redis.call("PUBLISH", "relevo:live:" .. job, "") end

-- Tells those who watch a job that something has failed and is tried again, and writes it down: the history is not trimmed by
-- what a talkative task tells of itself.
local function tell_setback(prefix, job, branch, setback, now)
  record(prefix, job, "set_back", "branch", branch == job and "" or branch, "error", setback)
  local record_key = prefix .. "job:" .. job
  local seq = next_seq(redis.call("HGET", record_key, "seq"), now)
  redis.call("HSET", record_key, "seq", whole(seq))
  redis.call("XADD", prefix .. "live:" .. job, "MAXLEN", "~", LIVE_EVENTS, place_of(seq), "event", "error", "error", setback)
  call_watchers(job)
end

-- The index numbers the jobs of a partition; a chunk has the columns of so many numbers. In the column of states each job has four
-- bits; 0 is no job. As STATES and SLOTS of domain/index.
local CHUNK = 4096
local STATE_CODES = {none = 0, pending = 1, running = 2, waiting = 3, completed = 4, failed = 5, cancelled = 6, quarantined = 7}

-- The start of the keys of a job's chunk, and its place there. Jobs that are older than the index have no number.
local function place_in_index(prefix, slot)
  return prefix .. "ix:" .. whole(math.floor(slot / CHUNK)), slot % CHUNK
end

-- Writes the state of a job into the index, where it differs from the one before.
local function index_state(prefix, slot, before, state)
  if not slot or before == state then return end
  local chunk, place = place_in_index(prefix, slot)
  redis.call("BITFIELD", chunk .. ":state", "SET", "u4", "#" .. place, STATE_CODES[state])
end

-- Where a task stands in its queue: by priority, and within one priority by turns, so that a client with many tasks does
-- not keep another waiting (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996). The set `fair` holds the tag of the last
-- task that was claimed, under the empty name, and that of each client's last task.
local function place_in_queue(prefix, queue, client, priority)
  local fair = prefix .. "fair:" .. queue
  local last = redis.call("ZMSCORE", fair, "", client)
  local tag = math.max(tonumber(last[1] or 0), tonumber(last[2] or 0)) + 1
  redis.call("ZADD", fair, tag, client)
  return tag - priority * 1e12
end

-- Puts a task into its queue and wakes one waiting poll on every replica. With `dispatch_ms` it must be claimed within that time,
-- which goes on while it is parked.
local function enqueue(prefix, queue, task, score, dispatch_ms, now)
  redis.call("ZADD", prefix .. "queue:" .. queue, score, task)
  if dispatch_ms and dispatch_ms ~= "" then redis.call("ZADD", prefix .. "leases", "NX", now + dispatch_ms, task) end
  redis.call("PUBLISH", "relevo:wake", queue)
end

-- Queues a task that was parked, and says so, unless it is gone.
local function unpark(prefix, task, now)
  local record = record_of(prefix, branch_of(task))
  local t = redis.call("HMGET", record, "task_state", "queue", "score")
  if t[1] ~= "parked" then return false end
  redis.call("HSET", record, "task_state", "queued")
  -- The time within which it must be claimed goes on.
  enqueue(prefix, t[2], task, t[3], nil, now)
  return true
end

-- For each of these slots that is free, queues the first task of every queue that waits for it: of one queue alone there may
-- be no worker now. `slots` are words `<name>=<limit>`.
local function fill_slots(prefix, slots, now)
  if not slots then return end
  for name, limit in slots:gmatch("(%S+)=(%d+)") do
    if redis.call("SCARD", prefix .. "slot:" .. name) < tonumber(limit) then
      local queues = prefix .. "parked:" .. name
      for _, queue in ipairs(redis.call("SMEMBERS", queues)) do
        local next
        repeat next = redis.call("ZPOPMIN", queues .. ":" .. queue)[1] until not next or unpark(prefix, next, now)
        if not next then redis.call("SREM", queues, queue) end
      end
    end
  end
end

-- Gives back the slots that a task held to those that wait for them.
local function free_slots(prefix, slots, task, now)
  if not slots then return end
  for name in slots:gmatch("(%S+)=%d+") do redis.call("SREM", prefix .. "slot:" .. name, task) end
  fill_slots(prefix, slots, now)
end

-- Takes a task away from whoever holds it, or from the queue that it waits in. Says who held it ("" for nobody).
local function revoke(prefix, record, task, now)
  local t = redis.call("HMGET", record, "task_state", "queue", "slots", "worker", "parked")
  redis.call("ZREM", prefix .. "leases", task)
  if t[1] == "queued" then
    redis.call("ZREM", prefix .. "queue:" .. t[2], task)
    -- Perhaps it was queued because a slot was free; that is for another one now.
    fill_slots(prefix, t[3], now)
  end
  if t[1] == "parked" then redis.call("ZREM", prefix .. "parked:" .. t[5], task) end
  if t[1] == "leased" then free_slots(prefix, t[3], task, now) end
  if t[1] ~= "done" then redis.call("HSET", record, "task_state", "revoked") end
  return t[1] == "leased" and t[4] or ""
end

-- Who ended the task of a branch, and how, in one word: it is kept, because a worker may send its result again.
local function last_task(b)
  return b.task .. "|" .. (b.worker or "") .. "|" .. (b.token or "") .. "|" .. (b.digest or "")
end

-- An approval that a branch waits for is wanted no more.
local function drop_approval(prefix, branch)
  local job = job_of(branch)
  if redis.call("HDEL", prefix .. "approvals:" .. job, branch) == 1 then
    redis.call("HINCRBY", prefix .. "job:" .. job, "approvals", -1)
  end
end

-- The outputs of a fan-out that has succeeded have been taken. One that has not is swept.
local function drop_fan(prefix, name)
  if redis.call("HGET", prefix .. "fan:" .. name, "state") ~= "succeeded" then return end
  redis.call("UNLINK", prefix .. "fan:" .. name, prefix .. "items:" .. name, prefix .. "results:" .. name)
end

-- A fan-out opens no more branches; those that it has are stopped in parts.
local function close_fan(prefix, fan, now)
  redis.call("HSET", prefix .. "fan:" .. fan, "state", "closed")
  redis.call("ZADD", prefix .. "sweep", now, fan)
end

-- Stops whatever a branch waits for. Says which worker holds its task, the task, and its child ("" for none).
local function abort(prefix, branch, record_key, now)
  local b = redis.call("HMGET", record_key, "task", "fan", "child")
  local task, worker = "", ""
  if b[1] and b[1] ~= "" then
    task = branch .. "." .. b[1]
    worker = revoke(prefix, record_key, task, now)
    drop_approval(prefix, branch)
  end
  if b[2] and b[2] ~= "" then close_fan(prefix, job_of(branch) .. "." .. b[2], now) end
  redis.call("ZREM", prefix .. "due", branch)
  return worker, task, b[3] or ""
end

-- Writes one step of a branch, as the domain decided it, with more fields of its record. `step` may have: execution, current,
-- entered, state, due_ms, result, error, number (of a task) with skill, queue, params, timeout_ms, heartbeat_ms, attempt; child
-- (with skill and params: its blueprint and input); approval; fan with fan_total, fan_limit, fan_tolerated, fan_variables; setback (what
-- failed and is tried again). `terms` are the job's client, priority and dispatch_ms, and the task_state and the fan that the branch had.
local function apply_step(prefix, branch, record_key, step, terms, now, fields)
  local job = job_of(branch)
  local function field(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if step.setback then tell_setback(prefix, job, branch, step.setback, now) end
  if terms.task_state == "open" then drop_approval(prefix, branch) end
  if terms.fan and terms.fan ~= "" then drop_fan(prefix, job .. "." .. terms.fan) end
  for _, name in ipairs({"execution", "current", "result", "error", "child", "fan"}) do
    field(name, step[name] or "")
  end
  field("wait_until", step.due_ms and whole(now + step.due_ms) or "")
  local task = step.number and branch .. "." .. step.number or ""
  field("task", step.number or "")
  if step.number or step.child then
    for _, name in ipairs({"skill", "params", "timeout_ms", "heartbeat_ms", "attempt"}) do field(name, step[name] or "") end
  end
  if step.number then
    field("outcome", "")
    field("unconfirmed", 0)
    field("queued_at", now)
    if step.queue then
      local score = place_in_queue(prefix, step.queue, terms.client, terms.priority)
      field("queue", step.queue)
      field("score", whole(score))
      field("task_state", "queued")
      enqueue(prefix, step.queue, task, score, terms.dispatch_ms, now)
    else
      field("task_state", "open")
    end
  end
  if step.approval then
    redis.call("HSET", prefix .. "approvals:" .. job, branch, step.approval)
    redis.call("HINCRBY", prefix .. "job:" .. job, "approvals", 1)
  end
  if step.fan then
    redis.call("HSET", prefix .. "fan:" .. job .. "." .. step.fan, "state", "open", "parent", branch, "total", step.fan_total,
      "limit", step.fan_limit or "", "tolerated", step.fan_tolerated, "variables", step.fan_variables,
      "opened", 0, "running", 0, "done", 0, "failed", 0)
    redis.call("PERSIST", prefix .. "items:" .. job .. "." .. step.fan)
  end
  redis.call("HSET", record_key, unpack(fields))
  -- Should this replica die before it opens branches or submits the child, another one finds the branch here.
  local look_ms = (step.fan or step.child) and math.min(step.due_ms or RECHECK_MS, RECHECK_MS) or step.due_ms
  if look_ms then redis.call("ZADD", prefix .. "due", now + look_ms, branch) end
end

-- Has a job's webhook told of an event; `mark` tells it from earlier ones of its kind.
local function announce(prefix, id, webhook_url, event, mark, now)
  if webhook_url and webhook_url ~= "" then
    redis.call("ZADD", prefix .. "deliveries", now, id .. "|job." .. event .. "|" .. mark)
  end
end

-- What a job needs to move on, which nobody asks of one that never will.
local MOVING_FIELDS = {"execution", "start", "fans", "fan", "child", "wait_until", "params", "outcome", "digest", "queue", "score",
  "queued_at", "dispatch_ms", "result_ms", "timeout_ms", "heartbeat_ms", "lease_ms", "leased_at", "task_deadline", "confirmed",
  "unconfirmed", "claims", "parked"}

-- What is left to do when a job has reached its end: `job` holds its fields client, unique, webhook_url, parent, deadline, seq.
local function finish_job(prefix, id, record_key, state, revision, retention_ms, job, now)
  if job.deadline and job.deadline ~= "" then redis.call("ZREM", prefix .. "deadlines", id) end
  redis.call("HINCRBY", prefix .. "counts", "open:" .. job.client, -1)
  redis.call("HINCRBY", prefix .. "counts", "ended:" .. state, 1)
  if job.unique and job.unique ~= "" and redis.call("GET", prefix .. "unique:" .. job.unique) == id then
    redis.call("DEL", prefix .. "unique:" .. job.unique)
  end
  announce(prefix, id, job.webhook_url, state, revision, now)
  if job.parent and job.parent ~= "" then redis.call("ZADD", prefix .. "due", now, job.parent) end
  -- The other two can be retried.
  if state == "completed" or state == "cancelled" then redis.call("HDEL", record_key, unpack(MOVING_FIELDS)) end
  redis.call("RPUSH", prefix .. "loose", id)
  redis.call("PEXPIRE", record_key, retention_ms)
  redis.call("PEXPIRE", prefix .. "events:" .. id, retention_ms)
  if job.seq then redis.call("PEXPIRE", prefix .. "live:" .. id, retention_ms) end
  call_watchers(id)
end

-- What the next step of a branch is decided from, and what is common to all branches of its job.
local BRANCH_FIELDS = {"revision", "execution", "start", "wait_until", "task", "fan", "child"}
local JOB_FIELDS = {"state", "hash", "input", "source", "created_at", "client", "priority", "cancelling_at", "slots", "trace",
  "depth"}
