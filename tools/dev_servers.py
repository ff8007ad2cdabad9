"""Runs MiniStack (S3 and SQS in one process) on 127.0.0.1 until Ctrl-C: for a first drain without an AWS account.

Creates a bucket, a queue and its dead-letter queue, and prints the commands for another terminal. Nothing is kept.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HOST = "127.0.0.1"
PORT = 4566
REGION = "us-east-1"
BUCKET = "sweeps"
QUEUE = "shards"
MAX_RECEIVE_COUNT = 10  # messages returned to the queue count too
START_SECONDS = 30
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}


class StartError(Exception):
    """The servers did not start."""


def main(port: int) -> int:
    """Serve until a signal arrives or the server exits."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A shell starts background processes with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    endpoint = f"http://{HOST}:{port}"
    try:
        with ministack(port) as server:
            print(guide(endpoint, create_resources(endpoint, server)), flush=True)
            server.wait()
    except KeyboardInterrupt:
        print("\nStopped; nothing was kept.")
        return 0
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("error: MiniStack exited", file=sys.stderr)
    return 1


@contextmanager
def ministack(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run MiniStack, and stop it on exit."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Before it starts: otherwise another server on this port would be mistaken for it.
            probe.bind((HOST, port))
        except OSError as error:
            raise StartError(f"{HOST}:{port} is taken. Use another port: PORT={port + 1} make dev-servers") from error
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": HOST,
            "SERVICES": "s3,sqs",
            "IOT_MTLS_ENABLED": "0",  # by default, it binds a fixed port on every interface
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": folder,
        }
        # In its own process group: only this process handles Ctrl-C.
        command = [sys.executable, "-m", "ministack"]
        server = subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield server
        finally:
            server.kill()
            server.wait()


def create_resources(endpoint: str, server: subprocess.Popen[bytes]) -> str:
    """Create the bucket and queues as soon as the server answers; return the queue's URL."""
    session = boto3.session.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    once = Config(retries={"total_max_attempts": 1})
    s3 = session.client("s3", endpoint_url=endpoint, config=once)
    sqs = session.client("sqs", endpoint_url=endpoint)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            s3.create_bucket(Bucket=BUCKET)
            break
        except (BotoCoreError, ClientError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise StartError("MiniStack did not start") from error
            time.sleep(0.05)
    dead = sqs.create_queue(QueueName=f"{QUEUE}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(MAX_RECEIVE_COUNT)})
    return sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": redrive})["QueueUrl"]


def guide(endpoint: str, queue_url: str) -> str:
    """Return the commands for another terminal."""
    exports = "\n".join(f"export {name}={value}" for name, value in KEYS.items())
    return f"""\
S3 and SQS are running at {endpoint}. In another terminal:

. .venv/bin/activate
{exports}
export SWEEPCTL_ENDPOINT_URL={endpoint}
export SWEEPCTL_STORE=s3://{BUCKET}/demo
export SWEEPCTL_QUEUE_URL={queue_url}
sweepctl send examples/queue/shard-*.json --queue-url $SWEEPCTL_QUEUE_URL
sweepctl drain --queue-url $SWEEPCTL_QUEUE_URL --until-empty
sweepctl run-shard examples/queue/shard-0.json
sweepctl verify queue-demo

Ctrl-C stops the servers; nothing is kept."""


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("PORT", PORT))))
