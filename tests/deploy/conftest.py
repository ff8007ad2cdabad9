"""Fixtures of deployments."""

import itertools
from pathlib import Path

import pytest
from deploy.deployed import SWEEP, Deployed
from deploy.stack import create, stack
from fakes.servers import Server

_numbers = itertools.count()


@pytest.fixture
def deployed(moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    made = stack()
    queue_url, bucket = create(moto_server, made, f"deployed-{next(_numbers)}")
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", queue_url)
    monkeypatch.setenv("SWEEPCTL_STORE", f"s3://{bucket}/sweeps")
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    return Deployed(moto_server, made, queue_url, bucket, sweep)
