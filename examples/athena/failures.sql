-- Why shards failed, newest verdicts only: what stands in shard_outcomes is final until a better one replaces it.
SELECT run_id, error_code, retryable, count(*) AS shards, sum(end_index_exclusive - start_index) AS points,
  min(shard_id) AS first_shard, min(error_message) AS for_instance
FROM shard_outcomes
WHERE run_date = '2026-02-14' AND status = 'failure'
GROUP BY run_id, error_code, retryable
ORDER BY shards DESC, run_id
