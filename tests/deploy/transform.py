"""Prints the template as AWS makes CloudFormation of it; run by the Python of target/tools/sam, which has SAM."""

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """The template names none, so that nothing need be asked of an account."""

    def load(self) -> dict[str, str]:
        """Give none."""
        return {}


template = yaml_parse(Path(sys.argv[1]).read_text())
# As `sam package` writes it.
template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://packages/sweepctl-lambda.zip"
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout)
