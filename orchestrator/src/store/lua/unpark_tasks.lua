-- unpark_tasks: parked -> queued                                         story: a_paused_blueprint_gets_no_worker_until_it_is_resumed
-- KEYS parked   ARGV prefix, at most so many   replies: how many were looked at
local parked, prefix = KEYS[1], ARGV[1]
local tasks = redis.call("ZPOPMIN", parked, ARGV[2])
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now = clock()
for i = 1, #tasks, 2 do unpark(prefix, tasks[i], now) end
return #tasks / 2
