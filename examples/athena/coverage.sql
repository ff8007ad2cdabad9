-- Is a run whole? Planned and recorded points; a point that is recorded twice counts as a duplicate. Points that a
-- constraint excludes are recorded, too, and are no failures.
WITH recorded AS (
  SELECT
    run_id,
    count(*) AS point_rows,
    count(DISTINCT point_index) AS points,
    count_if(status = 'failure') AS failed,
    count_if(status = 'excluded') AS excluded
  FROM point_outcomes_queue_of_run
  WHERE run = 'waits' AND run_date = '2026-02-14'
  GROUP BY run_id
)
SELECT
  runs_of_run.run_id,
  total_points AS planned,
  coalesce(points, 0) AS recorded,
  total_points - coalesce(points, 0) AS missing,
  coalesce(point_rows - points, 0) AS duplicates,
  coalesce(failed, 0) AS failed,
  coalesce(excluded, 0) AS excluded
FROM runs_of_run
LEFT JOIN recorded ON recorded.run_id = runs_of_run.run_id
WHERE run = 'waits'
