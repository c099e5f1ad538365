-- spend_allowance: an allowance with room -> one request less          story: two_replicas_count_the_requests_of_a_client_together
-- KEYS allowance   ARGV interval_us, burst   replies: ok remaining, full_us | wait remaining, full_us, wait_us
-- The generic cell rate algorithm (ITU-T I.371). What is kept is the instant at which the allowance is whole again.
local allowance, interval, burst = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local whole = interval * burst
-- An allowance of a slower rate may lie further ahead than this one can.
local full = math.min(math.max(tonumber(redis.call("GET", allowance) or 0), now), now + whole)
local ahead = full + interval - now
if ahead > whole then return {"wait", 0, full - now, ahead - whole} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
redis.call("SET", allowance, string.format("%.0f", now + ahead), "PX", math.ceil(ahead / 1000))
return {"ok", math.floor((whole - ahead) / interval), ahead}
