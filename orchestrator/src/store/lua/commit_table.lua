-- commit_table: a table gets a new head, and the dataset a new commit    story: the_same_upload_twice_is_one_commit
-- KEYS dataset heads, dataset commits, all datasets   ARGV dataset id, table key, commit id, table reference
-- replies: ok | exists (with the reference that is kept)
local heads, commits, all = KEYS[1], KEYS[2], KEYS[3]
local field = ARGV[2] .. "@" .. ARGV[3]
local kept = redis.call("HGET", commits, field)
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("HSET", heads, ARGV[2], ARGV[3])
redis.call("ZADD", all, clock(), ARGV[1])
if kept then return {"exists", kept} end
redis.call("HSET", commits, field, ARGV[4])
return {"ok", ARGV[4]}
