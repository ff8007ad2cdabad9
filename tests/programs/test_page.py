"""The examples of docs/your-model.md and python-functions.md are models, and the commands run."""

import json
import re
import shlex
from pathlib import Path

import pytest
from fakes.servers import BUCKET, Server
from fakes.sweep_files import ENGINE
from paths import ROOT
from programs.functions import declared, greeted
from typer.testing import CliRunner

from sweepctl.cli import app

TEN_MINUTES = (ROOT / "docs/your-model.md").read_text()
REFERENCE = (ROOT / "docs/python-functions.md").read_text()


def test_the_function_of_the_page_runs(tmp_path: Path) -> None:
    file = tmp_path / "lv.py"
    file.write_text(REFERENCE.partition("```python\n")[2].partition("```")[0])
    found = declared(file)
    assert found["takes_random"]
    assert [(given["type"], given["default"], given["doc"]) for given in found["parameters"]] == [
        ("float", 1.0, "births per prey and year"),
        ("int", 20, "at the start"),
    ]
    kinds = {given["name"]: given["type"] for given in found["parameters"]}
    datasets = {"days": {"day": "int", "prey": "float"}}
    with greeted(file, parameters=kinds, metrics={"last": "float", "lowest": "float"}, datasets=datasets) as child:
        reply = json.loads(f"{{{child.ask(outputs=['days'], growth=2, predators=20)}}}")
    assert reply["rows"]["days"]["day"] == list(range(365))
    assert reply["rows"]["days"]["prey"][-1] == reply["metrics"]["last"]


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_ten_minutes(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPCTL_ENGINE", str(ENGINE))
    blocks = re.findall(r"```(\w+)\n(.*?)```", TEN_MINUTES, re.DOTALL)
    (function,) = (text for kind, text in blocks if kind == "python")
    metrics, design = (text for kind, text in blocks if kind == "toml")
    commands = [line.removeprefix("$ ") for kind, text in blocks if kind == "console" for line in text.splitlines()]
    assert len(commands) > 8
    Path("lv.py").write_text(function)
    for command in commands:
        if command.startswith("sweepctl submit"):
            monkeypatch.setenv("SWEEPCTL_ENDPOINT_URL", moto_server.endpoint_url)
            monkeypatch.setenv("SWEEPCTL_STORE", f"s3://{BUCKET}/ten-minutes")
            monkeypatch.setenv("SWEEPCTL_QUEUE_URL", moto_server.queue("ten-minutes"))
        no_long_poll = ["--max-shards", "10"] if command.startswith("sweepctl drain") else []
        fewer = command.replace("--reexecute 100", "--reexecute 10")
        done = CliRunner().invoke(app, [*shlex.split(fewer)[1:], *no_long_poll])
        assert done.exit_code == 0, f"{command}: {done.output}"
        if command.startswith("sweepctl init"):
            replace("lv.toml", "[metrics]", metrics)
            replace("study/sweep.toml", "[design]", design)
            replace("study/sweep.toml", "# replications", "replications", rest=True)
        if command.startswith(("sweepctl run", "sweepctl verify")):
            assert "WHOLE" in done.output
            assert "1,000 points" in done.output


def replace(path: str, start: str, text: str, *, rest: bool = False) -> None:
    """Replace all that a file has from a line on; with `rest`, keep what follows `start`."""
    before, found, after = Path(path).read_text().partition(f"\n{start}")
    assert found
    Path(path).write_text(f"{before}\n{text}{after if rest else ''}")
