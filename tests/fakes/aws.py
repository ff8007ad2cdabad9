"""moto's Glue and Athena, within this process."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from fakes.servers import REGION
from moto import mock_aws
from moto.backends import get_backend

ACCOUNT = "123456789012"  # moto's


@pytest.fixture
def glue_and_athena() -> Iterator[None]:
    """Answer in AWS's place. Only Athena is reset: the rest is what `moto_server` serves other tests here."""
    mock = mock_aws()
    mock.start(reset=False)
    get_backend("athena")[ACCOUNT][REGION].reset()
    try:
        glue: Any = boto3.client("glue")
        before = databases(glue)
        yield
        for name in databases(glue) - before:
            glue.delete_database(Name=name)
    finally:
        mock.stop(remove_data=False)


def databases(glue: Any) -> set[str]:  # noqa: ANN401  boto3's client
    return {each["Name"] for each in glue.get_databases()["DatabaseList"]}
