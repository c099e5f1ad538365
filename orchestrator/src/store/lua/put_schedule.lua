-- put_schedule: nothing -> schedule, or an edit of one              story: an_edit_of_an_old_revision_is_not_written
-- KEYS schedule, schedules that are due, schedules of the client
-- ARGV id, revision that the edit starts from (0: a new one), client, spec, next instant ("" for none, "keep" for the one
--   that is set), most schedules of a client
-- replies: ok | changed (somebody else edited or fired it) | missing | full
local schedule, due, of_client = KEYS[1], KEYS[2], KEYS[3]
local id, revision, client, spec, next = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local kept = redis.call("HMGET", schedule, "revision", "fired")
if revision > 0 and not kept[1] then return {"missing"} end
if revision ~= tonumber(kept[1] or 0) then return {"changed"} end
-- An instant that was computed before it fired would fire again.
if tonumber(next) and tonumber(next) <= tonumber(kept[2] or 0) then return {"changed"} end
if revision == 0 and redis.call("ZCARD", of_client) >= tonumber(ARGV[6]) then return {"full"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
if revision == 0 then
  redis.call("HSET", schedule, "client", client, "created_at", now)
  redis.call("ZADD", of_client, now, id)
end
redis.call("HSET", schedule, "revision", revision + 1, "spec", spec, "updated_at", now)
if next == "" then
  redis.call("HDEL", schedule, "next")
  redis.call("ZREM", due, id)
elseif next ~= "keep" then
  redis.call("HSET", schedule, "next", next)
  redis.call("ZADD", due, next, id)
end
return {"ok"}
