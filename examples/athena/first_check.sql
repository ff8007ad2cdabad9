-- Does this account read a store's files? Shards of one run, by the table across runs and by that of a run: if the
-- numbers differ, folders below a partition are not read, and tables across runs are empty without an error.
SELECT
  (SELECT count(*) FROM shard_outcomes WHERE run_date = '2026-02-14' AND run_id = 'waits') AS across_runs,
  (SELECT count(*) FROM shard_outcomes_of_run WHERE run_date = '2026-02-14' AND run = 'waits') AS of_run
