-- reserve_answer: nothing, or left by its holder -> reserved           story: a_key_whose_holder_died_is_taken_over
-- KEYS answer   ARGV digest of the request, lock_ms, keep_ms
-- replies: reserved turn, made_at | answered status, body | in_progress | reused
-- Whoever holds the answer has the highest turn. The instant of the first reservation stays, so that what is made from it is
-- the same in every turn.
local answer, digest, lock_ms, keep_ms = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local known = redis.call("HMGET", answer, "digest", "status", "body", "locked_until", "made_at")
local now = clock()
if known[1] and known[1] ~= digest then return {"reused"} end
if known[2] then return {"answered", known[2], known[3]} end
if known[4] and tonumber(known[4]) > now then return {"in_progress"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local made_at = known[5] or string.format("%.0f", now)
local turn = redis.call("HINCRBY", answer, "turn", 1)
redis.call("HSET", answer, "digest", digest, "made_at", made_at, "locked_until", string.format("%.0f", now + lock_ms))
if not known[1] then redis.call("PEXPIRE", answer, keep_ms) end
return {"reserved", turn, made_at}
