-- unpack_job: packed -> loose, in the state in which it has ended               story: a_packed_job_is_retried
-- KEYS job, packed, packed logs, packed metrics, loose, events, logs, metrics   ARGV id, revision, retention_ms, how many words follow,
-- names and values of the record, how many log lines, the lines, how many points, the points, then of each event: its id, how many words
-- follow, names and values
-- replies: ok | stale (it is gone, or not packed any more)
local job, packed, packed_logs, packed_metrics, loose = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local events, logs, metrics = KEYS[6], KEYS[7], KEYS[8]
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
redis.call("UNLINK", events, logs, metrics)
redis.call("HSET", job, words())
redis.call("PEXPIREAT", job, ends_at)
-- Those who watch know these lines and points, so they come before all that they have seen.
local seq = 0
for _, kept in ipairs({{logs, "line"}, {metrics, "point"}}) do
  local first, last = at + 1, at + ARGV[at]
  at = last + 1
  for i = first, last do
    seq = seq + 1
    redis.call("XADD", kept[1], place_of(seq), kept[2], ARGV[i])
  end
end
while ARGV[at] do
  local id = ARGV[at]
  at = at + 1
  redis.call("XADD", events, id, words())
end
redis.call("PEXPIREAT", events, ends_at)
redis.call("PEXPIREAT", logs, ends_at)
redis.call("PEXPIREAT", metrics, ends_at)
redis.call("UNLINK", packed, packed_logs, packed_metrics)
redis.call("RPUSH", loose, ARGV[1])
return {"ok"}
