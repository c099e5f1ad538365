-- stock_fan: the branches of a fan-out that is about to begin, a part at a time          story: a_fan_ends_with_its_last_branch
-- KEYS items   ARGV offset, keep_ms (until the fan begins), start of a branch...   replies: ok | begun | stale
local offset = tonumber(ARGV[1])
if redis.call("PTTL", KEYS[1]) == -1 then return {"begun"} end
if offset > 0 and redis.call("LLEN", KEYS[1]) ~= offset then return {"stale"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
-- Whoever stored these before has not begun the fan-out.
if offset == 0 then redis.call("UNLINK", KEYS[1]) end
for i = 3, #ARGV do redis.call("RPUSH", KEYS[1], ARGV[i]) end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return {"ok"}
