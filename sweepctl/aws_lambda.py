"""The function on AWS Lambda: `sweepctl.aws_lambda.handler`, invoked with batches of a queue's messages.

Environment: `SWEEPCTL_STORE`, and `SWEEPCTL_ENGINE` for another engine than the package's own.

Importing this module opens everything, which is AWS's way: the time before the first event has a whole core, and what
cannot work (no store named, an engine that does not start) fails where a deployment shows it, not at each message.
Only the store is not yet asked: that writes, and is left to `Bench`.
"""

import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import UsageError
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

NAMESPACE = "sweepctl"


class _Lines(LambdaPowertoolsFormatter):
    """Puts the fields of `logs.event` beside the function's own, so that a query names them as they are."""

    def serialize(self, log: Any) -> str:  # noqa: ANN401  the toolkit's own types contradict one another
        fields = log.pop("fields", {})
        return super().serialize({**log, **fields})


def open_worker(environment: "Mapping[str, str]") -> LambdaWorker:
    """Open the store and the engine that the environment names, and have the engine describe itself.

    Raises:
        UsageError: no store is named, or what is named is none.
        EngineUnavailableError: there is no engine, or none that can be used.
    """
    url = environment.get("SWEEPCTL_STORE")
    if not url:
        raise UsageError("SWEEPCTL_STORE is not set", remedy="Set it to s3://bucket/prefix in the function.")
    engine = Engine(find_engine(environment.get("SWEEPCTL_ENGINE")))
    _ = engine.description
    return LambdaWorker(engine, open_store(url))


# Named like the logger of `logs`, which thereby writes JSON with the invocation's id to standard output.
logger = Logger(service="sweepctl", level="INFO", logger_formatter=_Lines(utc=True, use_rfc3339=True), location=None)
metrics = Metrics(namespace=NAMESPACE, service=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "sweepctl"))
worker = open_worker(os.environ)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: object, context: "LambdaContext") -> dict[str, "Sequence[dict[str, Any]]"]:
    """Run the shards of one batch; name the messages that are to come again."""
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
