-- Is each point of a run there exactly once? Planned by the outcomes, recorded by the points.
WITH planned AS (
  SELECT max(total_points) AS points, sum(end_index_exclusive - start_index) AS in_outcomes, count(*) AS shards
  FROM shard_outcomes_of_run
  WHERE run_date = '2026-02-14' AND run = 'queue-demo'
), recorded AS (
  SELECT count(*) AS records, count(DISTINCT point_index) AS points
  FROM point_outcomes_queue_of_run
  WHERE run_date = '2026-02-14' AND run = 'queue-demo'
)
SELECT planned.points AS planned, planned.shards AS shards_with_outcome, recorded.points AS recorded,
  planned.points - recorded.points AS missing, recorded.records - recorded.points AS duplicates
FROM planned CROSS JOIN recorded
