-- renew_socket: open -> open, unless a newer one is open                 story: a_worker_that_connects_again_replaces_its_older_socket
-- KEYS note of the worker's socket   ARGV socket, presence_ms   replies: ok | replaced
local note = KEYS[1]
local open = redis.call("GET", note)
if open and open ~= ARGV[1] then return {"replaced"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("SET", note, ARGV[1], "PX", ARGV[2])
return {"ok"}
