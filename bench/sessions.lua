-- Requests with the cookie of one of many sessions, each in turn.
--
-- In: a file with one cookie a line, named by COOKIES; the path from wrk. Out: requests; and what report.lua tells.

dofile(os.getenv("REPORT_LUA"))

local requests = {}
local at = 0

function init(args)
   for cookie in io.lines(os.getenv("COOKIES")) do
      wrk.headers["Cookie"] = cookie
      requests[#requests + 1] = wrk.format()
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end
