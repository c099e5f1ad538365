-- unpack_job: packed -> loose, in the state in which it has ended               story: a_packed_job_is_retried
-- KEYS job, packed, packed logs, loose, events, logs   ARGV id, revision, retention_ms, how many words follow, names and values of
-- the record, how many log lines, the lines, then of each event: its id, how many words follow, names and values
-- replies: ok | stale (it is gone, or not packed any more)
local job, packed, packed_logs, loose, events, logs = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local j = fields_of(job, {"revision", "ended_at", "hash"})
if j.revision ~= ARGV[2] or j.hash or redis.call("EXISTS", packed) == 0 then return {"stale"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local ends_at = whole(j.ended_at + ARGV[3])
local at = 4
-- The words that stand here, behind their number.
local function words()
  local first, last = at + 1, at + ARGV[at]
  at = last + 1
  return unpack(ARGV, first, last)
end
-- What came after the packing would stand in the way of what was before it.
redis.call("UNLINK", events, logs)
redis.call("HSET", job, words())
redis.call("PEXPIREAT", job, ends_at)
local first, last = at + 1, at + ARGV[at]
at = last + 1
-- Those who watch know these lines, so they come before all that they have seen.
for i = first, last do redis.call("XADD", logs, place_of(i - first + 1), "line", ARGV[i]) end
while ARGV[at] do
  local id = ARGV[at]
  at = at + 1
  redis.call("XADD", events, id, words())
end
redis.call("PEXPIREAT", events, ends_at)
redis.call("PEXPIREAT", logs, ends_at)
redis.call("UNLINK", packed, packed_logs)
redis.call("RPUSH", loose, ARGV[1])
return {"ok"}
