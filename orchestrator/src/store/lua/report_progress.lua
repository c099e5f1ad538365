-- report_progress: leased -> leased, and confirmed, for tasks of one job     story: progress_is_seen_while_a_task_runs
-- KEYS leases, job, live, logs, metrics, branch...   ARGV prefix, job id, lines kept, points kept, names kept, retention_ms, then of each
-- branch: task, worker, token ("" for none), progress, message, stages, number of log lines, number of points, log line..., and of each
-- point its name and the point   replies: for each branch ok | cancelled | missing | lease_lost
local leases, job, live, logs, metrics, prefix, job_id = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[1], ARGV[2]
local j = redis.call("HMGET", job, "ended_at", "seq", "progress", "message", "state")
local words, held, at, told = {}, {}, 7, false
for n = 6, #KEYS do
  local record_key, id, token = KEYS[n], ARGV[at], ARGV[at + 2]
  local lines, points = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  local t = redis.call("HMGET", record_key, "task_state", "worker", "token", "lease_ms", "task_deadline", "task", "cancel")
  local number = id:match("%d+$")
  local word
  if not t[1] or not j[5] then word = "missing"
  elseif t[6] ~= number or t[2] ~= ARGV[at + 1] or (token ~= "" and token ~= t[3]) then word = "lease_lost"
  elseif t[1] == "revoked" or (t[1] == "leased" and j[1]) then word = "cancelled"
  elseif t[1] ~= "leased" then word = "lease_lost"
  else
    word = t[7] == number and "cancelled" or "ok"
    held[#held + 1] = {record = record_key, id = id, lease_ms = t[4], deadline = t[5], at = at, lines = lines, points = points}
  end
  words[#words + 1] = word
  at = at + 8 + lines + 2 * points
end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if #held == 0 then return words end
local now, seq = clock(), j[2]
local fields = {}
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

-- What is seen of a job has one order: lines and events are numbered from one counter.
local function add(stream, kept, ...)
  seq = next_seq(seq, now)
  redis.call("XADD", stream, "MAXLEN", "~", kept, place_of(seq), ...)
  told = true
end

-- A stage that was told of before keeps its place; its end is told once, with the seconds that it took.
local stages
local function change(stage)
  stages = stages or cjson.decode(redis.call("HGET", job, "stages") or "[]")
  local place, known = #stages + 1, nil
  for i, other in ipairs(stages) do
    if other.name == stage.name then place, known = i, other end
  end
  if place > 100 then return end
  stage.since = known and known.status == "running" and known.since or now
  if stage.status == "completed" and not stage.duration_seconds then stage.duration_seconds = (now - stage.since) / 1000 end
  stages[place] = stage
  if known and known.status == "completed" and stage.status == "completed" then return end
  add(live, LIVE_EVENTS, "event", "stage", "stage", cjson.encode(stage))
end

-- A job has so many names of figures; those beyond are counted only.
local names, names_left, names_fresh
local function has_name(name)
  if not names then
    names, names_left = {}, tonumber(ARGV[5])
    for known in (redis.call("HGET", job, "metric_names") or ""):gmatch("%S+") do
      names[known] = true
      names_left = names_left - 1
    end
  end
  if not names[name] and names_left > 0 then
    names[name], names_left = true, names_left - 1
    names_fresh = (names_fresh or "") .. name .. " "
  end
  return names[name]
end

local progress, message, any_lines
local points = 0
for _, task in ipairs(held) do
  local expiry = now + task.lease_ms
  if task.deadline ~= "" then expiry = math.min(expiry, tonumber(task.deadline)) end
  redis.call("ZADD", leases, expiry, task.id)
  redis.call("HSET", task.record, "confirmed", 1)
  local first = task.at + 8 + task.lines
  for i = task.at + 8, first - 1 do
    add(logs, ARGV[3], "line", ARGV[i])
    any_lines = true
  end
  for i = first, first + 2 * task.points - 2, 2 do
    if has_name(ARGV[i]) then add(metrics, ARGV[4], "point", ARGV[i + 1]) end
    points = points + 1
  end
  if ARGV[task.at + 5] ~= "" then
    for _, stage in ipairs(cjson.decode(ARGV[task.at + 5])) do change(stage) end
  end
  if ARGV[task.at + 3] ~= "" then progress = ARGV[task.at + 3] end
  if ARGV[task.at + 4] ~= "" then message = ARGV[task.at + 4] end
end
if stages then field("stages", cjson.encode(stages)) end
if progress then field("progress", progress) end
if message then field("message", message) end
if progress or message then
  add(live, LIVE_EVENTS, "event", "progress", "progress", progress or j[3] or "0", "message", message or j[4] or "")
end
-- Each line puts off the end of all; after the last one they go by themselves.
if any_lines then redis.call("PEXPIRE", logs, ARGV[6]) end
if points > 0 then
  redis.call("PEXPIRE", metrics, ARGV[6])
  redis.call("HINCRBY", job, "metrics_told", points)
  if names_fresh then field("metric_names", (redis.call("HGET", job, "metric_names") or "") .. names_fresh) end
end
if told then field("seq", whole(seq)) end
if #fields > 0 then redis.call("HSET", job, unpack(fields)) end
if told then call_watchers(job_id) end
return words
