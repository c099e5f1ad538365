-- pack_job: loose -> packed, in whatever state it has ended                     story: a_packed_job_is_read_as_before
-- KEYS job, packed, packed logs, packed metrics, loose, and what else there is of the job: all that goes   ARGV id, revision,
-- retention_ms, the packed record, the packed logs and metrics ("" for none), names and values of the fields that stay
-- replies: ok | stale (it is gone, was retried, or is packed already)
local job, packed, packed_logs, packed_metrics, loose = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local j = fields_of(job, {"revision", "ended_at", "hash"})
if j.revision ~= ARGV[2] or not j.ended_at or not j.hash then
  redis.call("LREM", loose, 1, ARGV[1])
  return {"stale"}
end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local ends_at = whole(j.ended_at + ARGV[3])
redis.call("LREM", loose, 1, ARGV[1])
-- A hash that was large once stays so in memory; a new one is small.
redis.call("UNLINK", job, unpack(KEYS, 6))
redis.call("HSET", job, unpack(ARGV, 7))
redis.call("PEXPIREAT", job, ends_at)
redis.call("SET", packed, ARGV[4], "PXAT", ends_at)
if ARGV[5] ~= "" then redis.call("SET", packed_logs, ARGV[5], "PXAT", ends_at) end
if ARGV[6] ~= "" then redis.call("SET", packed_metrics, ARGV[6], "PXAT", ends_at) end
return {"ok"}
