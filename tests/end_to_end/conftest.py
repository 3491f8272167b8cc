"""Deployments of the whole product."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.embedded.processes import Household
from tests.end_to_end.deployment import Deployment
from tests.end_to_end.shop import ECONOMY
from tests.stack import Kafka, Postgres, Tansu


def _running(deployment: Deployment, folder: Path) -> Iterator[Deployment]:
    with deployment:
        deployment.start_all()
        economy = folder / "economy.yaml"
        economy.write_text(ECONOMY)
        deployment.plaudit("economy", "publish", str(economy), "--wait")
        yield deployment


@pytest.fixture
def shop(
    household: Household, broker: Tansu | Kafka, postgres: Postgres, prefix: str, tmp_path: Path
) -> Iterator[Deployment]:
    """All stages at work on each broker in turn, the shop's economy in force."""
    yield from _running(
        Deployment(household, broker=broker.address, database=postgres.empty_database(), prefix=prefix), tmp_path
    )


@pytest.fixture
def durable_shop(
    household: Household, kafka: Kafka, postgres: Postgres, prefix: str, tmp_path: Path
) -> Iterator[Deployment]:
    """All stages at work on Apache Kafka, which comes back with its data, the shop's economy in force."""
    yield from _running(
        Deployment(household, broker=kafka.address, database=postgres.empty_database(), prefix=prefix), tmp_path
    )
