"""The summing stage on Apache Kafka, with topics of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.embedded.processes import Household
from tests.recordbatch.deployment import Deployment
from tests.stack import Kafka


@pytest.fixture
async def stage(kafka: Kafka, prefix: str, household: Household, tmp_path: Path) -> AsyncIterator[Deployment]:
    """The stage's topics; its workers are started by the test and killed after it."""
    deployment = Deployment(kafka.address, prefix, household, tmp_path)
    await deployment.create_topics()
    yield deployment
    deployment.end()
