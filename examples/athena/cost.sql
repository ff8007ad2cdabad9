-- The cost of a month's runs, failed attempts included: put in your price.
WITH price AS (
  SELECT 0.05 AS usd_per_cpu_hour
),
attempts AS (
  SELECT run_id, model, attempt_id, cpu_seconds
  FROM shard_outcomes
  WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28'
  UNION -- not ALL: an attempt may have a row in both
  SELECT run_id, model, attempt_id, cpu_seconds
  FROM shard_attempts
  WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28'
),
spent AS (
  SELECT model, run_id, count(*) AS attempts, sum(cpu_seconds) AS cpu_seconds
  FROM attempts
  GROUP BY model, run_id
),
done AS (
  SELECT run_id, sum(points_succeeded + points_failed) AS points
  FROM shard_outcomes
  WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28' AND content_sha256 IS NOT NULL
  GROUP BY run_id
)
SELECT
  model,
  spent.run_id,
  attempts,
  points,
  round(cpu_seconds, 3) AS cpu_seconds,
  round(cpu_seconds / 3600 * usd_per_cpu_hour, 4) AS usd,
  round(cpu_seconds / 3600 * usd_per_cpu_hour / points * 1000000, 2) AS usd_per_million_points
FROM spent
LEFT JOIN done ON done.run_id = spent.run_id
CROSS JOIN price
ORDER BY model, spent.run_id
