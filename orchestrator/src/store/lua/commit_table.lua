-- commit_table: a ref of a table points at a commit, which is new or was there    story: the_same_upload_twice_is_one_commit
-- KEYS dataset heads, dataset commits, dataset log, all datasets, names
-- ARGV dataset id, head field, commit id, commit field, table reference, display name ("" to leave it)
-- replies: ok | exists (with the reference that is kept)
local heads, commits, log, all, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, field = ARGV[1], ARGV[4]
local kept = redis.call("HGET", commits, field)
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
redis.call("HSET", heads, ARGV[2], ARGV[3])
redis.call("ZADD", all, now, id)
if ARGV[6] ~= "" then redis.call("HSET", names, id, ARGV[6]) end
if kept then return {"exists", kept} end
redis.call("HSET", commits, field, ARGV[5])
redis.call("ZADD", log, now, field)
return {"ok", ARGV[5]}
