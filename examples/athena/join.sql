-- The same without the view: both tables need literals.
SELECT p.arrival_rate, p.servers, count(*) AS points, round(avg(o.mean_wait), 4) AS mean_wait
FROM effective_parameters_queue_of_run AS p
JOIN point_outcomes_queue_of_run AS o
  ON o.run_date = p.run_date AND o.run = p.run AND o.point_index = p.point_index
WHERE p.run = 'waits' AND p.run_date = '2026-02-14' AND o.run = 'waits' AND o.run_date = '2026-02-14'
  AND o.status = 'success'
GROUP BY p.arrival_rate, p.servers
ORDER BY p.arrival_rate, p.servers
