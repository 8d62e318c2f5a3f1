-- What wrk tells run.py, for every work: one line of numbers, after wrk's own report.
--
-- In: wrk's summary. Out: "numbers: requests microseconds bytes connect read write status timeout".

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format("numbers: %d %d %d %d %d %d %d %d",
      summary.requests, summary.duration, summary.bytes,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
