-- What wrk found, for programs: a name and a number on each line.
function done(summary, latency, requests)
   local errors = summary.errors
   local figures = {
      requests = summary.requests,
      us = summary.duration,
      p50_us = latency:percentile(50),
      p99_us = latency:percentile(99),
      p999_us = latency:percentile(99.9),
      errors = errors.connect + errors.read + errors.write + errors.timeout,
      not_well = errors.status,
   }
   for name, figure in pairs(figures) do
      io.write(string.format("measured %s %.0f\n", name, figure))
   end
end
