-- stock_fan: the branches of a fan-out that is about to begin, a part at a time          story: a_fan_ends_with_its_last_branch
-- KEYS items   ARGV offset, keep_ms (until the fan begins), start of a branch...   replies: ok | stale
if redis.call("LLEN", KEYS[1]) ~= tonumber(ARGV[1]) then return {"stale"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
for i = 3, #ARGV do redis.call("RPUSH", KEYS[1], ARGV[i]) end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return {"ok"}
