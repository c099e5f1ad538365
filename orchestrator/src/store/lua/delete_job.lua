-- delete_job: completed | failed | cancelled | quarantined -> nothing            story: a_deleted_job_leaves_nothing_behind
-- KEYS job, and what else there is of it   ARGV prefix   replies: ok bytes | missing | not_ended state
local job, prefix = KEYS[1], ARGV[1]
local j = fields_of(job, {"state", "ended_at", "slot"})
if not j.state then return {"missing"} end
if not j.ended_at then return {"not_ended", j.state} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local bytes = 0
for _, key in ipairs(KEYS) do bytes = bytes + (redis.call("MEMORY", "USAGE", key, "SAMPLES", 0) or 0) end
index_state(prefix, j.slot, j.state, "none")
redis.call("UNLINK", unpack(KEYS))
return {"ok", whole(bytes)}
