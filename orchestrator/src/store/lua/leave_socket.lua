-- leave_socket: open -> closed, unless a newer one is open               story: a_worker_that_connects_again_replaces_its_older_socket
-- KEYS note of the worker's socket   ARGV socket   replies: ok | replaced
local note = KEYS[1]
if redis.call("GET", note) ~= ARGV[1] then return {"replaced"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("DEL", note)
return {"ok"}
