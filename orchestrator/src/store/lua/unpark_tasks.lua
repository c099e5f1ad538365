-- unpark_tasks: parked -> queued, once their blueprint is paused no more   story: a_paused_blueprint_gets_no_worker_until_it_is_resumed
-- KEYS paused blueprints, parked   ARGV prefix, blueprint, at most so many   replies: how many were looked at
local paused, parked, prefix = KEYS[1], KEYS[2], ARGV[1]
local tasks = redis.call("ZPOPMIN", parked, ARGV[3])
-- No check below this line: Redis keeps what a script wrote before it stopped.
-- In the same script, so that no claim parks a task behind its back.
redis.call("SREM", paused, ARGV[2])
local now = clock()
for i = 1, #tasks, 2 do unpark(prefix, tasks[i], now) end
return #tasks / 2
