-- settle_firing: fired -> done, with what became of it                        story: a_firing_is_settled_once
-- KEYS schedule, firings without a job, history
-- ARGV firing ("" for one by hand, which nobody claimed), entry, entries that the history keeps   replies: ok | gone
local schedule, open, history, claimed = KEYS[1], KEYS[2], KEYS[3], ARGV[1] ~= ""
local known = redis.call("EXISTS", schedule) == 1
if claimed and not redis.call("ZSCORE", open, ARGV[1]) then return {"gone"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if claimed then redis.call("ZREM", open, ARGV[1]) end
if not known then return {"gone"} end
if claimed then redis.call("HINCRBY", schedule, "open", -1) end
redis.call("LPUSH", history, ARGV[2])
redis.call("LTRIM", history, 0, ARGV[3] - 1)
return {"ok"}
