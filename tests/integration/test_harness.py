"""The servers that the tests stand on."""

import psycopg

from pipeline.embedded.probes import broker_answers
from tests.stack import Kafka, Postgres, Tansu


def test_each_broker_answers(broker: Tansu | Kafka) -> None:
    """A test that asks for a broker gets one that answers."""
    assert broker_answers(broker.address)


def test_a_killed_kafka_comes_back_at_its_address(kafka: Kafka) -> None:
    """Tests of crashes rely on it."""
    address = kafka.address

    kafka.kill()
    assert not broker_answers(address)
    kafka.start()

    assert kafka.address == address
    assert broker_answers(address)


def test_a_killed_database_comes_back_with_what_was_committed(postgres: Postgres, database: str) -> None:
    """Tests of crashes rely on it."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    postgres.restart()

    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
