-- CPU time of engines by run, and what a million points cost at 0.04048 USD a vCPU hour.
SELECT model, run_id, sum(points_succeeded + points_failed) AS points, round(sum(cpu_seconds), 3) AS cpu_seconds,
  round(sum(cpu_seconds) / 3600 * 0.04048 / sum(points_succeeded + points_failed) * 1000000, 4) AS usd_per_million
FROM shard_outcomes
WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28' AND points_succeeded + points_failed > 0
GROUP BY model, run_id
ORDER BY cpu_seconds DESC, run_id
