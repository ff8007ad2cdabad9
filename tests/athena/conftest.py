"""What several tests of the catalog share."""

import pytest

from sweepctl.athena.apply import CatalogClients, open_clients


@pytest.fixture
def clients(glue_and_athena: None) -> CatalogClients:  # noqa: ARG001  they answer
    return open_clients(None)
