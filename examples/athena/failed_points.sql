-- Which points failed, by code, and what their parameters have in common.
SELECT
  error_code,
  count(*) AS points,
  min(point_index) AS first_point,
  min(arrival_rate) AS least_arrival_rate,
  max(arrival_rate) AS most_arrival_rate,
  min(warmup) AS least_warmup,
  max(warmup) AS most_warmup,
  min(error_message) AS error_message
FROM points_queue_of_run
WHERE run = 'waits' AND run_date = '2026-02-14' AND status = 'failure'
GROUP BY error_code
ORDER BY points DESC, error_code
