-- keep_answer: reserved -> answered                                    story: an_answer_comes_again_and_the_job_does_not
-- KEYS answer   ARGV turn, status, body   replies: ok | lost
local answer, turn, status, body = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if redis.call("HGET", answer, "turn") ~= turn then return {"lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("HSET", answer, "status", status, "body", body)
redis.call("HDEL", answer, "locked_until")
return {"ok"}
