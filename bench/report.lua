-- What wrk tells the suite, for every work: one line of numbers, after wrk's own report.
--
-- In: wrk's summary. Out: "numbers: requests microseconds bytes connect read write status timeout p50 p99 p99.9", times in
-- microseconds. These are of a closed loop: a connection asks again when it has its answer.

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format("numbers: %d %d %d %d %d %d %d %d %d %d %d",
      summary.requests, summary.duration, summary.bytes,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
