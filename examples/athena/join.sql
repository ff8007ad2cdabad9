-- What each parameter set of one run came to: metrics beside their parameters, averaged over replicates.
SELECT p.arrival_rate, p.servers, count(*) AS replicates, round(avg(o.mean_wait), 4) AS mean_wait
FROM effective_parameters_queue_of_run p
JOIN point_outcomes_queue_of_run o
  ON p.run_date = o.run_date AND p.run = o.run AND p.point_index = o.point_index
WHERE p.run_date = '2026-02-14' AND p.run = 'queue-demo' AND o.run_date = '2026-02-14' AND o.run = 'queue-demo'
  AND o.status = 'success'
GROUP BY p.arrival_rate, p.servers
ORDER BY mean_wait DESC
LIMIT 5
