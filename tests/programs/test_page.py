"""The example of docs/your-model.md is a model."""

import json
from pathlib import Path

from paths import ROOT
from programs.functions import declared, greeted


def test_the_function_of_the_page_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs/your-model.md").read_text()
    file = tmp_path / "lv.py"
    file.write_text(page.partition("```python\n")[2].partition("```")[0])
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
