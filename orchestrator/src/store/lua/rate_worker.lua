-- rate_worker: counts results of a worker; old ones fade                  story: a_workers_reputation_is_the_share_of_its_good_results
-- KEYS worker   ARGV good, bad, at most so many count   replies: ok | missing
local worker = KEYS[1]
if redis.call("EXISTS", worker) == 0 then return {"missing"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local good, bad = redis.call("HINCRBY", worker, "good", ARGV[1]), redis.call("HINCRBY", worker, "bad", ARGV[2])
if good + bad > tonumber(ARGV[3]) then
  redis.call("HSET", worker, "good", math.floor(good / 2), "bad", math.floor(bad / 2))
end
return {"ok"}
