-- complete_task: leased -> done                                          story: late_result_is_refused
-- KEYS branch, leases, due, job   ARGV prefix, id, worker, token ("" when the worker sends none), outcome, digest, recheck_ms
-- replies: ok now leased_at, skill, the branch's and the job's fields | duplicate | missing | lease_lost
local record_key, leases, due, job, prefix, id = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local worker, token, outcome, digest = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local t = redis.call("HMGET", record_key, "revision", "task", "task_state", "worker", "token", "digest", "leased_at", "slots", "last",
  "skill")
if not t[1] then return {"missing"} end
local branch, number = branch_of(id), id:match("%d+$")
local current = t[2] == number
if current and t[3] == "done" and t[4] == worker and (token == "" or token == t[5]) and t[6] == digest then return {"duplicate"} end
if not current or t[3] ~= "leased" then
  local last = number .. "|" .. worker .. "|"
  local known = t[9] and t[9]:sub(1, #last) == last and t[9]:sub(-#digest) == digest
  if known and (token == "" or t[9] == last .. token .. "|" .. digest) then return {"duplicate"} end
  return {"lease_lost"}
end
if t[4] ~= worker or (token ~= "" and token ~= t[5]) then return {"lease_lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
redis.call("HSET", record_key, "task_state", "done", "outcome", outcome, "digest", digest)
redis.call("ZREM", leases, id)
free_slots(prefix, t[8], id, now)
-- Should the replica that asked die before it takes the next step, another one finds the branch here.
redis.call("ZADD", due, now + ARGV[7], branch)
local words = {"ok", whole(now), t[7], t[10], redis.call("HMGET", record_key, unpack(BRANCH_FIELDS))}
-- What is common to thousands of branches is read once by who does not know it.
if job == record_key then words[6] = redis.call("HMGET", job, unpack(JOB_FIELDS)) end
return words
