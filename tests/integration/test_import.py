"""Imports against real brokers: everything arrives, in order, and a user's mistake is a message."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from pipeline.admin import create_topics, declared_topics
from pipeline.errors import UserError
from pipeline.events import actor_key
from pipeline.importers.model import Unread
from pipeline.importers.producer import produce_events
from pipeline.partitioner import partitioner
from tests.builders import cloudevent
from tests.stack import Kafka, Tansu

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


@pytest.fixture
async def raw(broker: Tansu | Kafka, prefix: str) -> str:
    """The name of an empty topic of raw events."""
    await create_topics(broker.address, declared_topics(prefix, partitions=PARTITIONS, replication=1))
    return f"{prefix}events.raw"


async def appended(broker: Tansu | Kafka, topic: str, count: int) -> list[ConsumerRecord]:
    """Return the first `count` records of a topic, each partition's in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.address, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


def visits(count: int, actors: int) -> Iterator[dict[str, Any]]:
    """Yield events, numbered in the order of each actor."""
    for number in range(count):
        yield cloudevent(id=str(number), subject=f"actor-{number % actors}", data={"text": "x" * 200})


async def test_every_actors_events_arrive_in_order(broker: Tansu | Kafka, prefix: str, raw: str) -> None:
    """Over many broker batches, in the partition that the actor's key belongs to."""
    reported: list[int] = []

    sent = await produce_events(broker.address, prefix, PARTITIONS, visits(5_000, actors=7), reported.append)

    assert sent == 5_000
    assert reported == sorted(reported)
    assert reported[-1] == 5_000
    numbers: dict[str, list[int]] = defaultdict(list)
    for record in await appended(broker, raw, 5_000):
        event = json.loads(record.value)
        numbers[event["subject"]].append(int(event["id"]))
        assert record.key == actor_key("acme", event["subject"])
        assert record.partition == partitioner(PARTITIONS)(record.key)
    assert all(order == sorted(order) for order in numbers.values())
    assert sum(map(len, numbers.values())) == 5_000


async def test_what_could_not_be_read_is_appended_unchanged(broker: Tansu | Kafka, prefix: str, raw: str) -> None:
    """With its headers, so that normalize refuses it just so."""
    headers = (("plaudit-format", b"app"),)

    await produce_events(broker.address, prefix, PARTITIONS, [Unread(b"\xff", headers)], lambda _: None)

    (record,) = await appended(broker, raw, 1)
    assert (record.key, record.value, tuple(record.headers)) == (None, b"\xff", headers)


async def test_a_reader_that_fails_stops_the_import(broker: Tansu | Kafka, prefix: str, raw: str) -> None:
    """With its own message."""

    def failing() -> Iterator[dict[str, Any]]:
        yield cloudevent()
        raise UserError("line 2: no event")

    with pytest.raises(UserError, match="line 2"):
        await produce_events(broker.address, prefix, PARTITIONS, failing(), lambda _: None)


@pytest.mark.parametrize(("partitions", "complaint"), [(PARTITIONS, "no topic"), (5, "has 3 partitions")])
async def test_a_log_that_does_not_fit_is_refused(
    broker: Tansu | Kafka, prefix: str, raw: str, partitions: int, complaint: str
) -> None:
    """Before anything is appended: actors would go to the wrong partitions."""
    where = "absent." if complaint == "no topic" else prefix

    with pytest.raises(UserError, match=complaint):
        await produce_events(broker.address, where, partitions, visits(1, actors=1), lambda _: None)


def command(broker: str, prefix: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start `plaudit import`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
    environment |= {"PYTHONPATH": str(ROOT), "PLAUDIT_BROKER": broker, "PLAUDIT_TOPIC_PREFIX": prefix}
    environment |= {"PLAUDIT_PARTITIONS": str(PARTITIONS)} | settings
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "import", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return a command's exit code, output and messages."""
    output, messages = process.communicate(timeout=60)
    return process.returncode, output, messages


async def test_the_command_says_what_it_sent_and_what_it_refused(
    broker: Tansu | Kafka, prefix: str, raw: str, tmp_path: Path
) -> None:
    """As JSON for scripts; a refused line is named, and appended for the dead letters."""
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(cloudevent())}\nnonsense\n")

    code, output, messages = said(command(broker.address, prefix, "jsonl", str(file), "--summary", "json"))

    report = json.loads(output)
    assert (code, report["sent"], report["refused"]) == (0, 2, 1)
    assert report["refusals"][0]["place"] == "line 2"
    assert "line 2: not JSON" in messages
    assert {record.value for record in await appended(broker, raw, 2)} >= {b"nonsense"}


async def test_strict_stops_at_the_first_bad_line(broker: Tansu | Kafka, prefix: str, raw: str, tmp_path: Path) -> None:
    """With an exit code that a script sees."""
    file = tmp_path / "events.jsonl"
    file.write_text("nonsense\n")

    code, _, messages = said(command(broker.address, prefix, "jsonl", str(file), "--strict"))

    assert code == 1
    assert messages.startswith("plaudit: line 1: not JSON")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["git", "."], "no broker answers at 127.0.0.1:1"),
        (["git", "/absent"], "/absent: no such folder"),
        (["git", "/"], "is not in a git repository"),
        (["git", ".", "--tenant", "No Tenant"], "'No Tenant' is no tenant name"),
        (["jsonl", "/absent"], "/absent: No such file or directory"),
        (["jsonl", "/absent", "--format", "xml"], "'xml' is no source format"),
        (["csv", "/absent", "--map", "actor=a"], "whose events are these"),
        (["csv", "/absent", "--map", "actor=a", "--tenant", "t", "--timezone", "Berlin"], "no time zone 'Berlin'"),
        (["csv", "/absent", "--map", "actor=a", "--tenant", "t", "--delimiter", "ab"], "--delimiter is one character"),
    ],
)
def test_a_mistake_is_a_message(arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, no traceback, exit code 1."""
    monkeypatch.chdir(ROOT)
    code, output, messages = said(command("127.0.0.1:1", "absent.", *arguments))

    assert (code, output) == (1, "")
    assert complaint in messages
    assert "Traceback" not in messages


async def test_ctrl_c_ends_an_import_cleanly(tansu: Tansu, prefix: str, tmp_path: Path) -> None:
    """It says how far it came and what to do, with the exit code that shells expect, and no traceback."""
    await create_topics(tansu.address, declared_topics(prefix, partitions=PARTITIONS, replication=1))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = command(tansu.address, prefix, "jsonl", str(pipe))
    with pipe.open("w") as writer:  # returns once the import reads
        writer.write(json.dumps(cloudevent()) + "\n")
        writer.flush()
        process.send_signal(signal.SIGINT)

    code, output, messages = said(process)

    assert code == 130
    assert "events sent" in output
    assert messages == "plaudit: interrupted; run it again for the rest, nothing is counted twice\n"
