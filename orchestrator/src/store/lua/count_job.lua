-- count_job: the jobs of a client today -> one more, or one less       story: a_day_has_so_many_jobs_and_a_refused_one_is_none
-- KEYS jobs_today   ARGV change (1, or -1 when the job was refused after all), limit   replies: ok | exceeded ms left of today
local jobs_today, change, limit = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local now = clock()
local tomorrow = (math.floor(now / 86400000) + 1) * 86400000
local jobs = tonumber(redis.call("GET", jobs_today) or 0) + change
if jobs > limit and change > 0 then return {"exceeded", tomorrow - now} end
-- What was counted yesterday is not taken off today.
if jobs < 0 then return {"ok"} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("SET", jobs_today, jobs, "PXAT", string.format("%.0f", tomorrow))
return {"ok"}
