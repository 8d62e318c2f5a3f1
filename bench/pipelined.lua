-- Sixteen requests in each write (RFC 9112 §9.3.2); the next sixteen go out when all answers are there.
--
-- In: wrk's own request. Out: the same, sixteen times; and what report.lua tells.

dofile(os.getenv("REPORT_LUA"))

local sixteen

function init(args)
   local one = wrk.format()
   sixteen = string.rep(one, 16)
end

function request()
   return sixteen
end
