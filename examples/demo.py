"""Run a ride-hailing sweep into ./sweep-results, and show the results."""

import subprocess
import sys
from pathlib import Path

import duckdb
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

STORE = "sweep-results"
RUN = "ridehail-surge"
SWEEPCTL = Path(sys.executable).parent / "sweepctl"
FILE = Path(__file__).parent / RUN / "sweep.toml"

OUTCOMES = f"""
SELECT shard_id AS shard, start_index AS start, end_index_exclusive AS end_exclusive, status,
       points_succeeded AS succeeded, points_failed AS failed, cpu_seconds
FROM '{STORE}/shard_outcomes/*/run={RUN}/*.parquet' ORDER BY shard_id
"""
POINTS = f"""
'{STORE}/effective_parameters/ridehail/*/run={RUN}/*.parquet'
JOIN '{STORE}/point_outcomes/ridehail/*/run={RUN}/*.parquet' USING (run_id, shard_id, point_index, replicate)
"""
JOINED = f"""
SELECT point_index AS point, replicate, num_drivers AS drivers, surge_enabled AS surge,
       matching_algorithm_type AS matching, spawned_riders AS riders, conversion_rate AS conversion
FROM {POINTS} ORDER BY point_index LIMIT 5
"""
ANSWER = f"""
SELECT num_drivers, surge_enabled, avg(conversion_rate) AS conversion, avg(total_fares_collected) AS fares,
       avg(avg_time_to_pickup_ms) / 60000 AS pickup_minutes
FROM {POINTS} WHERE matching_algorithm_type = 'hungarian' GROUP BY ALL ORDER BY ALL
"""
QUESTION = (
    "SELECT matching_algorithm_type, num_drivers, avg(avg_time_to_pickup_ms) AS pickup_ms "
    f"FROM '{STORE}/effective_parameters/ridehail/*/*/*.parquet' "
    f"JOIN '{STORE}/point_outcomes/ridehail/*/*/*.parquet' USING (run_id, point_index) "
    "GROUP BY ALL ORDER BY ALL"
)


def show(console: Console, title: str, query: str) -> None:
    """Print the rows of a query as a table."""
    rows = duckdb.sql(query)
    table = Table(*rows.columns, title=title, title_justify="left", box=SIMPLE_HEAD)
    for row in rows.fetchall():
        table.add_row(*(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)


def main() -> None:
    """Run the demonstration."""
    console = Console()
    shown = FILE.relative_to(Path.cwd())
    console.rule(f"sweepctl plan {shown}", align="left")
    subprocess.run([SWEEPCTL, "plan", FILE, "--run-id", RUN], check=True)
    console.rule(f"sweepctl run {shown} --run-id {RUN}", align="left")
    subprocess.run([SWEEPCTL, "run", FILE, "--run-id", RUN, "--store", STORE, "--log-format", "text"], check=True)
    console.rule("Results", align="left")
    show(console, "One outcome per shard", OUTCOMES)
    show(console, "One record per point: parameters joined to metrics (the first five of 180)", JOINED)
    show(console, "The effect of surge: means of ten replications each", ANSWER)
    console.print("The files:")
    for path in sorted(Path(STORE).rglob("*.parquet")):
        console.print(f"  {path}", highlight=False, soft_wrap=True)
    console.print("\nRun your own query:")
    console.print(f'  .venv/bin/python -c "import duckdb; duckdb.sql(\\"{QUESTION}\\").show()"', soft_wrap=True)
    console.print("\nRun `make demo` again: the run is complete, so nothing is simulated twice.")


if __name__ == "__main__":
    main()
