"""Every check that `sweepctl doctor` makes of this machine, its store and its queue.

Reads the settings of the store, the queue and AWS, and judges them. The store probe writes its one object, and creates
a local store's directory; nothing else is written, and no message is received. `preflight` has the checks that a worker
needs at start; this module adds those that help a person to set it up.
"""

import datetime as dt
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from sweepctl.aws_errors import CLOCK, REGION, error_code
from sweepctl.doctor import iam
from sweepctl.doctor.account import Account, is_of_aws
from sweepctl.doctor.filesystem import check_file_system
from sweepctl.doctor.preflight import Diagnosis, check_engine, check_queue, check_redrive, check_store, run_check
from sweepctl.engine.client import Engine
from sweepctl.errors import AccountError, QueueError, StoreError, SweepctlError
from sweepctl.queue.contract import QueueFacts
from sweepctl.queue.sqs import Queue, open_queue
from sweepctl.store.bucket import Bucket
from sweepctl.store.contract import Store
from sweepctl.store.local import LocalStore
from sweepctl.store.s3 import S3Store
from sweepctl.system import mounts

# AWS recommends six times the function's timeout: time to retry a batch whose invocation was throttled.
VISIBILITY_TIMES = 6
# AWS rejects a request whose signature is more than five minutes off.
REFUSED_OFFSET = dt.timedelta(minutes=5)
NOTABLE_OFFSET = dt.timedelta(seconds=30)
# With the module that each is for, and the answers that need it.
EXTRAS = {
    "query": ("duckdb", "query, summary, report, compare and rounds by precision"),
    "sensitivity": ("SALib", "indices of samples, boxes of a condition"),
    "iceberg": ("pyiceberg", "athena iceberg"),
    "ui": ("uvicorn", "ui"),
}
LIBRARIES = ("boto3", "pyarrow", "pydantic")
TEMPLATE = "see examples/deploy/template.yaml"
_Place = TypeVar("_Place", Queue, Store)


def diagnose(
    find: Callable[[], Engine],
    open_account: Callable[[], Account],
    open_store: Callable[[], Store],
    open_queue: Callable[[], Queue] | None,
    check_catalog: Callable[[Engine, Store], Sequence[Diagnosis]] | None,
    *,
    function_timeout: int | None,
    version: str,
    now: Callable[[], dt.datetime],
) -> tuple[Diagnosis, ...]:
    """Make every check, even after one fails.

    Args:
        find: Finds the engine.
        open_account: Finds the credentials; called if the store or the queue needs them.
        open_store: Opens the result store.
        open_queue: Opens the queue, if there is one.
        check_catalog: Compares the engine with a database of Glue over the store, if there is one.
        function_timeout: Timeout in seconds of the Lambda function that reads the queue, if there is one.
        version: Of sweepctl.
        now: This machine's clock.
    """
    store, no_store = _opened("store", open_store)
    queue, no_queue = (None, []) if open_queue is None else _opened("queue", open_queue)
    bucket = store.bucket if isinstance(store, S3Store) else None
    endpoints = [each.endpoint for each in (bucket, queue) if each is not None]
    found = [Diagnosis("versions", _versions(version)), _extras(), *run_check("engine", lambda: check_engine(find()))]
    if endpoints:
        found += _check_account(open_account, endpoints, bucket, now)
    found += no_store if store is None else run_check("store", lambda: check_store(store))
    if isinstance(store, LocalStore):
        found.append(check_file_system(Path(store.url), mounts()))
    if bucket is not None:
        found += _check_bucket(bucket, queue)
    if check_catalog is not None and store is not None:
        found += run_check("catalog", lambda: check_catalog(find(), store))
    found += no_queue if queue is None else run_check("queue", lambda: _check_queue(queue, function_timeout))
    return tuple(found)


def _opened(what: str, opens: Callable[[], _Place]) -> tuple[_Place | None, list[Diagnosis]]:
    """Open a store or a queue; return it, or a finding if boto3's configuration does not allow that."""
    try:
        return opens(), []
    except (QueueError, StoreError) as error:
        return None, [_error(what, error)]


def _versions(version: str) -> str:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return f"sweepctl {version}, Python {platform.python_version()}, {libraries}"


def _extras() -> Diagnosis:
    lacking = {extra: gives for extra, (module, gives) in EXTRAS.items() if find_spec(module) is None}
    if not lacking:
        return Diagnosis("extras", f"installed: {', '.join(EXTRAS)}")
    remedy = "Install them (docs/installing.md#extras) if these answers are wanted on this machine."
    listed = ", ".join(f"{extra} ({gives})" for extra, gives in lacking.items())
    return Diagnosis("extras", f"not installed: {listed}", remedy)


def _check_account(
    open_account: Callable[[], Account],
    endpoints: Sequence[str],
    bucket: Bucket | None,
    now: Callable[[], dt.datetime],
) -> list[Diagnosis]:
    try:
        account = open_account()
    except AccountError as error:
        return [_error("credentials", error)]
    # AWS does not know the keys of another server.
    if not any(map(is_of_aws, endpoints)) and is_of_aws(account.endpoint):
        found = f"found by {account.method}; not checked: {endpoints[0]} is not AWS"
        clock = [] if bucket is None else run_check("clock", lambda: check_clock(bucket.server_time(), now()))
        return [Diagnosis("credentials", found), *clock]
    return [
        *run_check("credentials", lambda: [Diagnosis("credentials", f"{account.caller()}, found by {account.method}")]),
        *run_check("clock", lambda: check_clock(account.server_time(), now())),
    ]


def check_clock(server: dt.datetime | None, here: dt.datetime) -> Sequence[Diagnosis]:
    """Compare this machine's clock with the date of a server's response, which has whole seconds."""
    if server is None:
        return [Diagnosis("clock", "not compared: the server's response has no date")]
    offset = here - server
    found = f"{abs(offset.total_seconds()):.0f} s {'ahead of' if offset > dt.timedelta(0) else 'behind'} the server's"
    if abs(offset) > REFUSED_OFFSET:
        return [_error("clock", StoreError(f"{found}: AWS rejects requests more than 5 minutes off", remedy=CLOCK))]
    return [Diagnosis("clock", found, CLOCK if abs(offset) > NOTABLE_OFFSET else None)]


def _check_bucket(bucket: Bucket, queue: Queue | None) -> list[Diagnosis]:
    ours, queues = bucket.client.meta.region_name, None if queue is None else queue.region
    return [
        *_setting("region", "s3:ListBucket", lambda: check_region(bucket.region(), ours, queues)),
        *_setting("bucket policy", "s3:GetBucketPolicy", lambda: check_policy(bucket.policy() or {}, bucket.arn)),
        *_setting(
            "public access", "s3:GetBucketPublicAccessBlock", lambda: check_privacy(is_private=bucket.is_private())
        ),
        *_setting("encryption", "s3:GetEncryptionConfiguration", lambda: check_encryption(bucket.encryption())),
    ]


def _setting(what: str, permission: str, check: Callable[[], Sequence[Diagnosis]]) -> Sequence[Diagnosis]:
    """Make a check that workers do not depend on: a setting that cannot be read is a warning, not an error."""
    try:
        return check()
    except StoreError as error:
        cause = error.__cause__
        code = error_code(cause) if isinstance(cause, ClientError) else None
        if code == "NotImplemented":
            return [Diagnosis(what, "not checked: the server has no such setting")]
        remedy = error.remedy
        if code == "AccessDenied":
            remedy = f"Allow {permission} to include this check; workers do not need it."
        return [Diagnosis(what, error.message, remedy)]


def check_region(buckets: str | None, ours: str | None, queues: str | None) -> Sequence[Diagnosis]:
    """Compare the bucket's region with the one that requests are signed for, and with the queue's."""
    found = f"the bucket is in {buckets or 'no region'}, requests are signed for {ours}"
    if buckets is not None and buckets != ours:
        return [Diagnosis("region", found, REGION)]
    if queues is not None and queues != ours:
        remedy = "Keep queue, bucket and workers in one region: traffic between regions is slow and costs money."
        return [Diagnosis("region", f"{found}; the queue is in {queues}", remedy)]
    return [Diagnosis("region", found)]


def check_policy(policy: Mapping[str, Any], arn: Callable[[str], str]) -> Sequence[Diagnosis]:
    """Check that a bucket policy allows workers' conditional writes of outcomes, and denies unconditional ones."""
    document = {"Statement": [], **policy}
    outcome = arn("shard_outcomes/run_date=2000-01-01/run=r/shard-00000000.parquet")
    secure = {"aws:securetransport": "true"}
    for header, name in (("s3:if-none-match", "If-None-Match"), ("s3:if-match", "If-Match")):
        if iam.denies(document, iam.Request("s3:PutObject", outcome, {**secure, header: "*"})):
            finding = f"denies writing outcomes with {name}, which every worker uses"
            return [_error("bucket policy", StoreError(finding, remedy=f"Correct the policy; {TEMPLATE}."))]
    lacks = []
    if not iam.denies(document, iam.Request("s3:PutObject", outcome, secure)):
        lacks.append("outcomes can be overwritten by unconditional writes")
    if not iam.denies(document, iam.Request("s3:GetObject", outcome, {"aws:securetransport": "false"})):
        lacks.append("requests without TLS are allowed")
    if lacks:
        return [Diagnosis("bucket policy", "; ".join(lacks), f"Deny this in the bucket policy; {TEMPLATE}.")]
    return [Diagnosis("bucket policy", "denies unconditional writes of outcomes, and requests without TLS")]


def check_privacy(*, is_private: bool) -> Sequence[Diagnosis]:
    """Report whether public access is blocked."""
    if is_private:
        return [Diagnosis("public access", "blocked")]
    return [Diagnosis("public access", "not blocked by all four settings", f"Block it on the bucket; {TEMPLATE}.")]


def check_encryption(algorithm: str | None) -> Sequence[Diagnosis]:
    """Report how objects are encrypted."""
    if algorithm is None:
        return [Diagnosis("encryption", "the bucket has no default encryption", f"Set it on the bucket; {TEMPLATE}.")]
    return [Diagnosis("encryption", algorithm)]


def _check_queue(queue: Queue, function_timeout: int | None) -> Sequence[Diagnosis]:
    facts = queue.facts()
    found = [check_queue(queue.url, facts), check_visibility(facts.visibility_timeout, function_timeout)]
    redrive = check_redrive(facts)
    if facts.dead_letter_queue is None:
        return [*found, redrive]
    # A dead-letter queue is in the account and region of its queue.
    dead = f"{queue.url.rpartition('/')[0]}/{facts.dead_letter_queue}"
    return [*found, redrive, *_check_dead(queue, dead, facts)]


def check_visibility(seconds: int, function_timeout: int | None) -> Diagnosis:
    """Check the queue's visibility timeout, which only matters to a Lambda function: `drain --lease` overrides it."""
    if function_timeout is None:
        limit = seconds // VISIBILITY_TIMES
        found = f"{seconds} s, enough for a Lambda timeout of {limit} s; drain sets its own with --lease"
        return Diagnosis("visibility", found)
    wanted = VISIBILITY_TIMES * function_timeout
    found = f"{seconds} s for a Lambda timeout of {function_timeout} s"
    remedy = f"Set the queue's VisibilityTimeout to {wanted} or more: {VISIBILITY_TIMES} times the function's timeout."
    if seconds < function_timeout:
        return _error("visibility", QueueError(f"{found}: messages are redelivered while still running", remedy=remedy))
    return Diagnosis("visibility", found, remedy if seconds < wanted else None)


def _check_dead(queue: Queue, url: str, facts: QueueFacts) -> Sequence[Diagnosis]:
    try:
        dead = open_queue(url, endpoint_url=queue.endpoint, region=queue.region).facts()
    except QueueError as error:
        remedy = "Allow sqs:GetQueueAttributes on it to include this check; workers do not need it."
        return [Diagnosis("dead-letter queue", error.message, remedy)]
    return [check_dead(dead, facts)]


def check_dead(dead: QueueFacts, facts: QueueFacts) -> Diagnosis:
    """Report the dead-letter queue's depth, and whether it keeps messages long enough for a person to act."""
    depth = f"messages: {dead.visible}"
    # A message that is moved there keeps the time at which it was sent.
    if dead.retention is not None and facts.retention is not None and dead.retention <= facts.retention:
        found = f"{depth}; retention {dead.retention} s, against {facts.retention} s of the source queue"
        remedy = "Raise its MessageRetentionPeriod, up to 1209600: a message's age counts from when it was sent."
        return Diagnosis("dead-letter queue", found, remedy)
    if dead.visible:
        return Diagnosis(
            "dead-letter queue",
            depth,
            "`sweepctl verify RUN_ID` lists what is missing; find the cause before resending it.",
        )
    return Diagnosis("dead-letter queue", depth)


def _error(what: str, error: SweepctlError) -> Diagnosis:
    return Diagnosis(what, error.message, error.remedy, error)
