"""A run whose workers, engines and programs are killed loses nothing; `make kills-servers` plays long ones."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from chaos.play import Crew, Place, disturb, new_place, play, undisturbed
from fakes.servers import Server, find_versity

SHARDS = 50

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
]


def test_a_run_among_kills_is_whole(tmp_path: Path, ministack_server: Server, weed_server: Server) -> None:
    place = new_place(tmp_path / "place", ministack_server, weed_server, "function", SHARDS)
    played = play(place, 1, undisturbed(place))
    assert played.kills
    assert played.findings == []


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """A worker that does nothing and is not started again, without pauses."""
    monkeypatch.setattr("chaos.play.GAP", 0.0)
    monkeypatch.setattr(Crew, "renew", lambda _: None)
    crew = Crew(cast("Place", None))
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], text=True) as worker:
        crew.workers = [worker]
        yield crew
        worker.kill()


def test_a_queue_that_is_emptied_at_once_has_its_kill(idle: Crew) -> None:
    disturb(idle, random.Random(1), lambda: 0, sent=5)
    assert idle.kills


def test_a_queue_that_no_message_leaves_any_more_ends_the_kills(idle: Crew) -> None:
    with pytest.raises(AssertionError, match="3 messages stay in the queue"):
        disturb(idle, random.Random(1), lambda: 3, sent=5)
    assert idle.kills


def test_the_gateway_is_the_one_that_the_makefile_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes.servers.ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("VERSITYGW := 1.10.0\n")
    programs = [tmp_path / "target" / "tools" / f"versitygw-{version}" / "versitygw" for version in ("1.8.0", "1.10.0")]
    for program in programs:
        assert find_versity() is None
        program.parent.mkdir(parents=True)
        program.touch()
    assert find_versity() == programs[1]
