-- open_branches: the next items of a fan-out get branches of their own, as many as may run together
-- story: no_more_branches_run_at_once_than_the_limit
-- KEYS job, fan, items, due   ARGV prefix, `<job>.<fan>`, at most so many, recheck_ms   replies: index and start, one after the other
local job, fan, items, due, prefix, name = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local f = redis.call("HMGET", fan, "state", "limit", "opened", "running")
local j = redis.call("HMGET", job, "ended_at", "cancelling_at", "client", "priority", "dispatch_ms", "slots")
if f[1] ~= "open" or j[1] or j[2] then return {} end
local room = tonumber(ARGV[3])
if f[2] ~= "" then room = math.min(room, tonumber(f[2]) - tonumber(f[4])) end
if room <= 0 then return {} end
local starts = redis.call("LPOP", items, room)
if not starts then return {} end
-- No check below this line: Redis keeps what a script wrote before it stopped.
local now, first, opened = clock(), tonumber(f[3]), {}
for i, start in ipairs(starts) do
  local branch = name .. "." .. (first + i - 1)
  redis.call("HSET", prefix .. "branch:" .. branch, "revision", 0, "start", start, "client", j[3], "priority", j[4],
    "dispatch_ms", j[5] or "", "slots", j[6] or "")
  -- Should this replica die before it begins the branch, another one finds it here.
  redis.call("ZADD", due, now + ARGV[4], branch)
  opened[#opened + 1] = whole(first + i - 1)
  opened[#opened + 1] = start
end
redis.call("HINCRBY", fan, "opened", #starts)
redis.call("HINCRBY", fan, "running", #starts)
return opened
