-- Requests of many files: each in turn, or by chance.
--
-- In: a file with one path a line, named by PATHS; SEED, a number, for picks by chance. Out: requests; and what
-- report.lua tells.

dofile(os.getenv("REPORT_LUA"))

local requests = {}
local at = 0
local seed = tonumber(os.getenv("SEED"))

function init(args)
   for path in io.lines(os.getenv("PATHS")) do
      requests[#requests + 1] = wrk.format("GET", path)
   end
   if seed then
      math.randomseed(seed)
   end
end

function request()
   at = seed and math.random(#requests) or at % #requests + 1
   return requests[at]
end
