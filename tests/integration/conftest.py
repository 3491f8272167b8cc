"""Fixtures of the integration tests: a database server that may be killed."""

from collections.abc import Iterator

import pytest

from pipeline.embedded.processes import Household
from tests.stack import Postgres


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server of this test's own, without any role of ours; it may be killed."""
    with Household() as household:
        yield Postgres(household)
