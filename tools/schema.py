"""Writes the JSON Schema of sweep files, which `sweepctl init` gives to editors."""

import json
from pathlib import Path

from sweepctl.sweep.file import json_schema

PATH = Path(__file__).parents[1] / "sweepctl/sweep/starter/sweep.schema.json"

if __name__ == "__main__":
    PATH.write_text(json.dumps(json_schema(), indent=1) + "\n")
