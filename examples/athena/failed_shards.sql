-- Which shards failed in a month, by code, and whether another attempt may succeed: `sweepctl retry` starts it.
SELECT
  model,
  error_code,
  retryable,
  count(DISTINCT run_id) AS runs,
  count(*) AS shards,
  sum(points_failed) AS failed_points,
  min(error_message) AS error_message
FROM shard_outcomes
WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28' AND status = 'failure'
GROUP BY model, error_code, retryable
ORDER BY shards DESC, model, error_code
