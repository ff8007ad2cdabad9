"""Keeps shards in a drain's queue, and has each run verified when its last one is done.

It works as a person does: by `submit` and `verify`, and by `verify --requeue` after a queue has lost its messages.
"""

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fakes.servers import BUCKET, Server
from soak.models import Work
from waiting import LIMIT
from worker.processes import SWEEPCTL

from sweepctl.errors import QueueError
from sweepctl.queue.sqs import open_queue
from sweepctl.records import layout

FEW = 10  # messages: then there is time for the next run
KEPT = 2  # runs that are whole: what comes late of a run still finds it
UNREACHABLE = {5, 6}  # exit codes
AGAIN = 10.0  # seconds until a run is verified again that was not whole yet
FORBIDDEN = {"corrupt", "failures", "unproven"}


class NotWholeError(Exception):
    """A run is not what it must be."""


@dataclass
class Sender:
    """Sends the runs of one kind of work to its queue, one after the other."""

    work: Work
    folder: Path
    store: Server
    queue_url: str
    environment: Mapping[str, str]
    shards: int  # of a run
    messages_lost: bool = False  # set from outside
    begun: int = 0
    running: dict[str, float] = field(default_factory=dict)  # and when to look at it again
    whole: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)  # once they were whole

    def send_and_verify(self, *, is_over: bool) -> bool:
        """Do what there is to do now; what a server out of reach keeps from being done is done next time.

        Return whether nothing is left to do, by the drain neither.

        Raises:
            NotWholeError: a run is neither whole nor on its way there.
        """
        try:
            if self.messages_lost:
                self._send_again()
            if not is_over and self.held()[0] <= FEW:
                self._submit()
            for run_id in list(self.running):
                if time.monotonic() >= self.running[run_id] and self._outcomes(run_id) == self.shards:
                    self._verify(run_id)
            while len(self.whole) > KEPT:
                self._remove(self.whole[0])
                self.removed.append(self.whole.pop(0))
            return is_over and not self.running and self.held() == (0, 0)
        except (BotoCoreError, ClientError, QueueError):
            return False

    def held(self) -> tuple[int, int]:
        """Return how many messages can be received, and how many are in flight or delayed."""
        facts = open_queue(self.queue_url).facts()
        return facts.visible, facts.in_flight + facts.delayed

    def _submit(self) -> None:
        run_id, path = self.work.write_sweep(self.folder, self.begun, self.shards)
        command = ("submit", str(path), "--run-id", run_id, "--queue-url", self.queue_url, *self.work.options())
        # One that broke off is continued by the next.
        if self._call(*command)["exit_code"] == 0:
            self.running[run_id] = 0.0
            self.begun += 1

    def _send_again(self) -> None:
        self.messages_lost = False
        for run_id in self.running:
            options = ("--requeue", "--yes", "--queue-url", self.queue_url, *self.work.options())
            if self._call("verify", run_id, *options)["exit_code"] in UNREACHABLE:
                self.messages_lost = True

    def _verify(self, run_id: str) -> None:
        """Prove a run of which some shards may have to be tried again; then that is done later."""
        done = self._call("verify", run_id, *self.work.options())
        verdict = done.get("verdict")
        if verdict in FORBIDDEN:
            checks = [check for check in done["checks"] if check["state"] != "passed"]
            msg = f"{run_id} is {verdict}: {json.dumps(checks)[:2000]}"
            raise NotWholeError(msg)
        if verdict == "whole":
            del self.running[run_id]
            self.whole.append(run_id)
        else:
            self.running[run_id] = time.monotonic() + AGAIN

    def _call(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            (*SWEEPCTL, *arguments, "--json"),
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        try:
            return {**json.loads(done.stdout), "exit_code": done.returncode}
        except json.JSONDecodeError:
            msg = f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}"
            raise NotWholeError(msg) from None

    def _outcomes(self, run_id: str) -> int:
        return len(self._keys(run_id, "shard_outcomes/"))

    def _remove(self, run_id: str) -> None:
        for key in self._keys(run_id):
            self.store.s3.delete_object(Bucket=BUCKET, Key=key)

    def _keys(self, run_id: str, table: str = "") -> list[str]:
        return [key for key in self.store.keys(table) if f"/{layout.RUN_PARTITION}{run_id}/" in key]
