"""Arguments and options that several commands share, each declared once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

MAX_THREADS = 1_024  # what an engine takes
DEFAULT_STORE = "./sweep-results"
# SQS keeps a received message for one worker for so long, and nobody waits for a slower shard.
LONGEST_HOLD = 12 * 3600.0
DEFAULT_TIMEOUT = 11.5 * 3600  # what is left is for the lease and the commit

MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="A shard message's JSON file; - reads stdin.")]
StoreOption = Annotated[
    str,
    typer.Option(envvar="SWEEPCTL_STORE", help="Where results go: a directory, or s3://bucket/prefix."),
]
EngineOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENGINE", help="The engine binary.", show_default="beside sweepctl, else on PATH"),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", envvar="SWEEPCTL_JSON", help="Print one JSON object on stdout; text goes to stderr."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENDPOINT_URL", help="Another S3 server than AWS.", show_default="AWS"),
]
RegionOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_REGION", help="The AWS region.", show_default="boto3's own"),
]
QueueOption = Annotated[
    str,
    typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="The SQS queue's URL."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(envvar="SWEEPCTL_TIMEOUT", min=0.001, help="Seconds until a shard's engine is killed."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        envvar="SWEEPCTL_THREADS", min=1, max=MAX_THREADS, help="Threads of an engine.", show_default="all cores"
    ),
]
ConcurrencyOption = Annotated[
    int,
    typer.Option(envvar="SWEEPCTL_CONCURRENCY", min=1, help="Shards at a time: one runs while the other commits."),
]
InjectionOption = Annotated[
    bool,
    typer.Option("--allow-failure-injection", help="Fail the shards that a message names for it."),
]
LogOption = Annotated[
    Literal["auto", "text", "json"],
    typer.Option(envvar="SWEEPCTL_LOG_FORMAT", help="Form of the log lines on stderr; auto: text on a terminal."),
]
SweepFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A sweep file, in TOML.")]
RunIdOption = Annotated[
    str | None,
    typer.Option(help="What the run is called.", show_default="the file's name, today's date and what it computes"),
]
