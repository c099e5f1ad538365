-- leave_answer: reserved -> left, or nothing                           story: a_request_that_was_refused_may_be_mended_under_its_key
-- KEYS answer   ARGV turn, "1" when the request was refused and has done nothing   replies: ok | lost
-- After the first turn it is never forgotten: an earlier holder may have done what this one was refused.
local answer, turn, refused = KEYS[1], ARGV[1], ARGV[2]
if redis.call("HGET", answer, "turn") ~= turn then return {"lost"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
if refused == "1" and turn == "1" then
  redis.call("DEL", answer)
else
  redis.call("HDEL", answer, "locked_until")
end
return {"ok"}
