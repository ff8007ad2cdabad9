-- The same through the joined view, across the runs of some days: whoever names no run scans all of these days.
SELECT run_id, servers, count(*) AS points, round(max(utilisation), 3) AS busiest
FROM points_queue
WHERE run_date BETWEEN '2026-02-01' AND '2026-02-28'
GROUP BY run_id, servers
ORDER BY run_id, servers
