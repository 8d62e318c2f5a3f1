-- Requests with a body.
--
-- In: a file with the body, named by BODY, and its type, TYPE. Out: requests by POST; and what report.lua tells.

dofile(os.getenv("REPORT_LUA"))

wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("TYPE")
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
