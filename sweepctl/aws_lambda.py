"""The AWS Lambda function: `sweepctl.aws_lambda.handler`, invoked with batches of SQS messages.

Environment: `SWEEPCTL_STORE`, and optionally `SWEEPCTL_ENGINE` and `SWEEPCTL_PROGRAMS` in place of the packaged engine
and program, `SWEEPCTL_MAX_POINTS` and `SWEEPCTL_MAX_SCRATCH_BYTES`.

Importing this module opens the store and the engine, as is usual on Lambda: initialization has a full core, and a
broken setup (no store set, an engine that does not start) fails at deployment, not with each message. Only the store's
probe is left to `LambdaWorker`, because it writes.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import UsageError
from sweepctl.shard.conditions import DEFAULT_MAX_POINTS, DEFAULT_MAX_SCRATCH_BYTES, Conditions
from sweepctl.store import open_store
from sweepctl.worker.batch import LambdaWorker
from sweepctl.worker.events import Ending
from sweepctl.worker.lambda_event import answer, read_event
from sweepctl.worker.lease import SETTLED
from sweepctl.worker.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from sweepctl.worker.delivery import Delivery

PROGRAM = Path(__file__).parents[1] / "program"  # a packaged program: tools/program_package.py says what is in it
NAMESPACE = "sweepctl"


class _FlatFormatter(LambdaPowertoolsFormatter):
    """Writes the fields of `logs.event` at the top level, so that log queries use their plain names."""

    def serialize(self, log: Any) -> str:  # noqa: ANN401  the toolkit's own types contradict each other
        fields = log.pop("fields", {})
        return super().serialize({**log, **fields})


def open_worker(environment: "Mapping[str, str]") -> LambdaWorker:
    """Open the store and the engine that the environment names, and read the engine's description.

    Raises:
        UsageError: no store is set, its URL is invalid, or a limit is not a number above 0.
        EngineUnavailableError: the engine is missing or cannot be used, or a program.
    """
    url = environment.get("SWEEPCTL_STORE")
    if not url:
        raise UsageError(
            "SWEEPCTL_STORE is not set", remedy="Set it to s3://bucket/prefix in the function's environment."
        )
    engine = Engine(find_engine(environment.get("SWEEPCTL_ENGINE")), _programs(environment))
    _ = engine.description
    conditions = Conditions(
        max_points=_limit(environment, "SWEEPCTL_MAX_POINTS", DEFAULT_MAX_POINTS),
        max_scratch_bytes=_limit(environment, "SWEEPCTL_MAX_SCRATCH_BYTES", DEFAULT_MAX_SCRATCH_BYTES),
    )
    return LambdaWorker(engine, open_store(url), conditions=conditions)


def _programs(environment: "Mapping[str, str]") -> list[Path]:
    """Return the manifests that the environment names, or else that of the package."""
    packaged = PROGRAM / "manifest"
    if "SWEEPCTL_PROGRAMS" not in environment and packaged.exists():
        return [PROGRAM / "files" / packaged.read_text()]
    return [Path(each) for each in environment.get("SWEEPCTL_PROGRAMS", "").split(os.pathsep) if each]


def _limit(environment: "Mapping[str, str]", name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"{name} is {text!r}: must be a number above 0", remedy="Correct the function's environment.")
    return int(text)


# Has the name of the logger in `logs`, so that log lines are JSON on standard output, with the invocation's id.
logger = Logger(
    service="sweepctl", level="INFO", logger_formatter=_FlatFormatter(utc=True, use_rfc3339=True), location=None
)
metrics = Metrics(namespace=NAMESPACE, service=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "sweepctl"))
if PROGRAM.exists():
    # Its `python3`, which has its packages, before the function's.
    os.environ["PATH"] = f"{PROGRAM / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
worker = open_worker(os.environ)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: object, context: "LambdaContext") -> dict[str, "Sequence[dict[str, Any]]"]:
    """Run the shards of one batch; return the messages that SQS must redeliver."""
    batch = read_event(event)
    deliveries = worker.process(batch, context.get_remaining_time_in_millis() / 1000)
    tally = Tally()
    for delivery in deliveries:
        tally.take(delivery)
    _measure(tally, deliveries)
    return answer(deliveries)


def _measure(tally: Tally, deliveries: "Sequence[Delivery]") -> None:
    endings = tally.endings
    counts = {
        "Points": tally.points,
        "Shards": endings[Ending.SUCCEEDED],
        "Failures": endings[Ending.FAILED],
        "Duplicates": endings[Ending.SKIPPED],
        "HandedBack": len(deliveries) - sum(endings[ending] for ending in SETTLED),
    }
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    for delivery in deliveries:
        for name, seconds in delivery.seconds.items():
            metrics.add_metric(f"{name.title()}Seconds", MetricUnit.Seconds, seconds)
