-- The effect of parameters on a metric: mean wait by arrival rate and servers, over replicates.
SELECT
  arrival_rate,
  servers,
  count(*) AS points,
  round(avg(mean_wait), 4) AS mean_wait,
  round(stddev_samp(mean_wait) / sqrt(count(*)), 4) AS standard_error
FROM points_queue_of_run
WHERE run = 'waits' AND run_date = '2026-02-14' AND status = 'success'
GROUP BY arrival_rate, servers
ORDER BY arrival_rate, servers
