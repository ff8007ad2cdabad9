"""The settings with which a worker runs shards, and how much disk space a shard may take; a message changes neither."""

from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

from sweepctl.errors import MessageError, NoRoomError, ScratchError
from sweepctl.texts import counted

DEFAULT_TIMEOUT = 11.5 * 3600  # seconds; of the 12 hours that SQS allows, the rest is for the lease and the commit
DEFAULT_MAX_POINTS = 10_000_000  # ten times what a pilot plans at most
DEFAULT_MAX_SCRATCH_BYTES = 5_000_000_000  # 500 bytes for each of these points; S3 takes 5 GiB in one request
# Of free space, for a shard to begin: a worker with less would fail one message of its queue after the other.
LEAST_SHARE = 1 << 20


@dataclass(frozen=True)
class ScratchLimit:
    """The bytes that the files of one shard may take in the scratch folder."""

    allowed: int  # by the worker's settings: no worker with these takes more
    share: int  # of what was free when the shard began: another worker may have more

    def check(self, taken: int) -> None:
        """Raise an error if `taken` bytes are too many.

        Raises:
            MessageError: the worker does not allow them.
            NoRoomError: they are more than the shard's share of this worker's disk.
        """
        if taken > self.allowed:
            msg = f"the files of its shard take more than {self.allowed:,} bytes, which this worker does not allow"
            raise MessageError(msg, remedy="Plan smaller shards, or raise the worker's --max-scratch-bytes.")
        if taken > self.share:
            msg = f"the files of its shard take more than {self.share:,} bytes, its share of this worker's free space"
            raise NoRoomError(msg, remedy="Give the worker more disk or a lower --concurrency, or plan smaller shards.")


@dataclass(frozen=True)
class Conditions:
    """The settings with which a worker runs shards; a message cannot change them."""

    threads: int | None = None
    timeout: float | None = None  # seconds
    force: bool = False  # re-run a completed shard and compare the results
    allow_failure_injection: bool = False
    max_points: int | None = None  # of a shard
    max_scratch_bytes: int | None = None  # of a shard's files, while they are written
    concurrency: int = 1  # shards that share the scratch disk
    # When an engine must have finished, by the monotonic clock: the worker itself is killed soon after.
    deadline: float | None = None

    def engine_seconds(self, now: float) -> float | None:
        """Return the time limit in seconds for an engine that starts now; None: no limit."""
        left = None if self.deadline is None else max(0.0, self.deadline - now)
        return min((each for each in (self.timeout, left) if each is not None), default=None)

    def scratch_limit(self, folder: Path) -> ScratchLimit | None:
        """Return the limit of a shard that starts now, whose files are in `folder`; None: no limit.

        Raises:
            ScratchError: too little space is free for any shard.
        """
        if self.max_scratch_bytes is None:
            return None
        free = disk_usage(folder).free
        # The other half is for the same files of earlier attempts, which are fetched and compared.
        share = free // 2 // self.concurrency
        if share < LEAST_SHARE:
            msg = f"{folder}: only {counted('bytes', free)} are free for {counted('shards', self.concurrency)} at once"
            fewer = ", or lower --concurrency" if self.concurrency > 1 else ""
            raise ScratchError(msg, remedy=f"Free space there{fewer}.")
        return ScratchLimit(self.max_scratch_bytes, share)
