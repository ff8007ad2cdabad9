"""A run whose workers, engines and programs are killed loses nothing; `make kills-servers` plays long ones."""

import sys
from pathlib import Path

import pytest
from chaos.play import new_place, play, undisturbed
from fakes.servers import Server

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
