"""Fixtures that every test may ask for. Servers live as long as the test run; names and databases as long as a test."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import settings

from pipeline.embedded.processes import Household
from tests.stack import Kafka, KafkaMissing, Postgres, Tansu, kafka_jars

# A shared machine stalls now and then, so no example has a deadline; a failure prints how to run it again.
settings.register_profile("thorough", deadline=None, print_blob=True)
settings.register_profile("quick", deadline=None, print_blob=True, max_examples=20)
settings.load_profile("thorough")


@pytest.fixture(scope="session")
def household() -> Iterator[Household]:
    """The servers' temporary folder; all of them end with it."""
    with Household() as servers:
        yield servers


@pytest.fixture(scope="session")
def tansu(household: Household) -> Tansu:
    """The embedded broker."""
    return Tansu(household)


@pytest.fixture(scope="session")
def kafka_programs() -> None:
    """What Apache Kafka needs to run. Missing Java or Maven skips, but fails in CI."""
    try:
        kafka_jars()
    except KafkaMissing as missing:
        if os.environ.get("CI") or os.environ.get("PLAUDIT_REQUIRE_KAFKA") == "1":
            pytest.fail(f"Kafka must be tested here: {missing}")
        # Without Java a contributor still runs all that needs no Kafka; CI has failed above, and skips nothing.
        pytest.skip(f"no Kafka: {missing}")


@pytest.fixture(scope="session")
def kafka(household: Household, kafka_programs: None) -> Kafka:
    """Apache Kafka, durable: what is killed comes back with its data."""
    return Kafka(household)


@pytest.fixture(params=["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Tansu | Kafka:
    """Each broker in turn: a test that asks for it runs against the embedded one and against Kafka."""
    server: Tansu | Kafka = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def postgres(household: Household) -> Postgres:
    """The embedded database server."""
    return Postgres(household)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of a database of this test's own, with the ledger's tables and nothing in them."""
    return postgres.database()


@pytest.fixture
def empty_database(postgres: Postgres) -> str:
    """The URL of a database of this test's own without any tables."""
    return postgres.empty_database()


@pytest.fixture
def prefix() -> str:
    """A prefix for topics and groups that no other test uses."""
    return f"t{uuid4().hex[:8]}."
