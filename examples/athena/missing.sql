-- Which points of a run are not recorded: the gaps between its shards, whatever their sizes.
WITH bounds AS (
  SELECT start_index, end_index_exclusive
  FROM shard_outcomes_of_run
  WHERE run = 'waits' AND run_date = '2026-02-14'
    AND content_sha256 IS NOT NULL -- otherwise not every point of the shard has a record
  UNION ALL
  SELECT 0, 0
  UNION ALL
  SELECT total_points, total_points
  FROM runs_of_run
  WHERE run = 'waits'
),
gaps AS (
  SELECT
    end_index_exclusive AS from_point,
    lead(start_index) OVER (ORDER BY start_index, end_index_exclusive) AS until_point
  FROM bounds
)
SELECT from_point, until_point, until_point - from_point AS points
FROM gaps
WHERE from_point < until_point
ORDER BY from_point
