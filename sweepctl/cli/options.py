"""Arguments and options shared by several commands, each declared once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweepctl.cli.app import JSON_VARIABLE
from sweepctl.cli.named import complete_run

MAX_THREADS = 1_024  # the engine's limit
# SQS redelivers a message at the latest 12 hours after a worker received it: no shard may take longer.
LONGEST_HOLD = 12 * 3600.0
DEFAULT_REEXECUTION_SECONDS = 600.0  # of a point: it is known to have ended once

MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="Shard message, a JSON file; - reads stdin.")]
MessagesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MESSAGE...", help="Shard messages, JSON files; a .jsonl file has one per line, and - reads stdin."
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN_ID", help="Run: its ID, the beginning of it, or `latest`.", autocompletion=complete_run
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(envvar="SWEEPCTL_STORE", help="Result store: a directory or s3://bucket/prefix."),
]
EngineOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENGINE", help="Engine binary.", show_default="next to sweepctl, else on PATH"),
]
ProgramOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--program",
        envvar="SWEEPCTL_PROGRAMS",
        metavar="FILE",
        help="Manifest of a program that is a model; repeatable. In the variable, separated by colons.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", envvar=JSON_VARIABLE, help="Print one JSON object on stdout; text goes to stderr."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENDPOINT_URL", help="URL of an S3-compatible server.", show_default="AWS"),
]
RegionOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_REGION", help="AWS region.", show_default="boto3's default"),
]
QueueOption = Annotated[
    str,
    typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="SQS queue URL."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(envvar="SWEEPCTL_TIMEOUT", min=0.001, help="Seconds after which a shard's engine is killed."),
]
AcceptFailuresOption = Annotated[
    bool, typer.Option("--accept-failures", help="Exit with 0 if every failed shard failed permanently.")
]
PointSecondsOption = Annotated[
    float, typer.Option(min=0.001, max=1e9, help="Seconds that a point may take here; a slower one is stepped over.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        envvar="SWEEPCTL_THREADS", min=1, max=MAX_THREADS, help="Threads per engine process.", show_default="all cores"
    ),
]
MaxPointsOption = Annotated[
    int, typer.Option(envvar="SWEEPCTL_MAX_POINTS", min=1, help="Reject messages whose shard has more points.")
]
MaxScratchOption = Annotated[
    int,
    typer.Option(
        envvar="SWEEPCTL_MAX_SCRATCH_BYTES", min=1, help="Reject messages whose shard's files take more disk space."
    ),
]
ConcurrencyOption = Annotated[
    int,
    typer.Option(
        envvar="SWEEPCTL_CONCURRENCY", min=1, help="Shards in progress at once: one runs while another commits."
    ),
]
InjectionOption = Annotated[
    bool,
    typer.Option("--allow-failure-injection", help="Honour failure_injection_shards in messages."),
]
LogOption = Annotated[
    Literal["auto", "text", "json"],
    typer.Option(
        envvar="SWEEPCTL_LOG_FORMAT",
        help="Format of log lines on stderr; auto is text on a terminal or with CI set, else JSON.",
    ),
]
SweepFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Sweep file, in TOML.")]
RunIdOption = Annotated[
    str | None,
    typer.Option(help="Name of the run.", show_default="file name, today's date and spec fingerprint"),
]
