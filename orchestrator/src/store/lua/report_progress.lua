-- report_progress: leased -> leased, and confirmed                       story: progress_is_seen_while_a_task_runs
-- KEYS branch, leases, job   ARGV prefix, id, job id, worker, token ("" for none), progress, message, stages, keep, retention_ms,
-- log line...   replies: ok | cancelled | missing | lease_lost
local record_key, leases, job, prefix, id, job_id = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3]
local t = redis.call("HMGET", record_key, "task_state", "worker", "token", "lease_ms", "task_deadline", "task", "cancel")
if not t[1] then return {"missing"} end
local number = id:match("%d+$")
if t[6] ~= number or t[2] ~= ARGV[4] or (ARGV[5] ~= "" and ARGV[5] ~= t[3]) then return {"lease_lost"} end
if t[1] == "revoked" then return {"cancelled"} end
if t[1] ~= "leased" then return {"lease_lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local expiry = clock() + t[4]
if t[5] ~= "" then expiry = math.min(expiry, tonumber(t[5])) end
redis.call("ZADD", leases, expiry, id)
redis.call("HSET", record_key, "confirmed", 1)
local fields = {}
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if ARGV[6] ~= "" then field("progress", ARGV[6]) end
if ARGV[7] ~= "" then field("message", ARGV[7]) end
if ARGV[8] ~= "" then
  -- Stages that were told of before keep their place.
  local stages = cjson.decode(redis.call("HGET", job, "stages") or "[]")
  for _, changed in ipairs(cjson.decode(ARGV[8])) do
    local place = #stages + 1
    for i, stage in ipairs(stages) do
      if stage.name == changed.name then place = i end
    end
    if place <= 100 then stages[place] = changed end
  end
  field("stages", cjson.encode(stages))
end
if #fields > 0 then redis.call("HSET", job, unpack(fields)) end
local logs = prefix .. "logs:" .. job_id
for i = 11, #ARGV do redis.call("XADD", logs, "MAXLEN", "~", ARGV[9], "*", "line", ARGV[i]) end
-- Each line puts off the end of all; after the last one they go by themselves.
if #ARGV > 10 then redis.call("PEXPIRE", logs, ARGV[10]) end
return {t[7] == number and "cancelled" or "ok"}
