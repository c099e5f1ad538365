-- take_turn: a duty that one replica does at a time is this one's for a while          story: a_duty_is_one_replicas_at_a_time
-- KEYS turn   ARGV replica, ms   replies: ok | taken
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return {"taken"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return {"ok"}
