"""`plaudit economy` and `plaudit dlq` as users and scripts run them, against both brokers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.admin import create_topics, declared_topics
from pipeline.clock import now_ms
from pipeline.errors import Reason
from pipeline.recordbatch.model import Effects, Run
from pipeline.recordbatch.producer import BatchProducer
from pipeline.topology import DEAD_LETTERS, topic_name
from sinks.dead_letters import dead_letter
from tests.memory import MemoryRecord
from tests.stack import Kafka, Tansu

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = """
economy: acme
currencies: {xp: {}}
rules:
  - {id: merged, on: pr.merged, award: {xp: 10}}
"""
PARTITIONS = 2

Plaudit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plaudit(broker: Tansu | Kafka, prefix: str, tmp_path: Path) -> Plaudit:
    """The command line, in a folder of its own, with topics set up."""
    asyncio.run(create_topics(broker.address, declared_topics(prefix, PARTITIONS, 1)))
    environment = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", "PATH": "", "PYTHONWARNINGS": "error"}
    settings = {"PLAUDIT_BROKER": broker.address, "PLAUDIT_TOPIC_PREFIX": prefix, "PLAUDIT_ECONOMY_MARGIN_S": "0.5"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment | settings,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def answer(done: subprocess.CompletedProcess[str]) -> object:
    """Return what a command that succeeded wrote as JSON."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Return the message of a command that failed: on standard error, without a traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_economy_is_published_shown_and_compared(plaudit: Plaudit, tmp_path: Path) -> None:
    """From the first file to the second revision; mistakes publish nothing."""
    file, wrong = tmp_path / "acme.yaml", tmp_path / "wrong.yaml"
    file.write_text(DOCUMENT)
    wrong.write_text(DOCUMENT.replace("xp: 10", "xq: 10"))

    assert answer(plaudit("economy", "show", "--format", "json")) == []
    assert "no economy has been published" in refusal(plaudit("economy", "show", "--tenant", "acme"))
    assert "rules[0].award.xq: there is no currency 'xq' (one of: xp)" in refusal(
        plaudit("economy", "publish", str(wrong))
    )
    first = answer(plaudit("economy", "publish", str(file), "--wait", "--format", "json"))
    file.write_text(DOCUMENT.replace("xp: 10", "xp: 20"))
    changes = answer(plaudit("economy", "diff", str(file), "--format", "json"))
    late = plaudit("economy", "publish", str(file), "--effective", "2100-01-01T00:00:00+01:00")

    assert isinstance(first, dict)
    assert (first["tenant"], first["revision"]) == ("acme", 1)
    assert changes == [{"path": "rules[merged].award.xp", "before": 10, "after": 20}]
    assert "acme: revision 2 takes effect at 2099-12-31T23:00:00+00:00" in late.stdout
    assert answer(plaudit("economy", "show", "--format", "json")) == [{"tenant": "acme", "newest": 2, "in_force": 1}]
    table = plaudit("economy", "show", "--tenant", "acme").stdout
    assert table.index("announced") < table.index("in force")
    current = plaudit("economy", "show", "--tenant", "acme", "--format", "yaml")
    assert "xp: 10" in current.stdout
    (tmp_path / "again.yaml").write_text(current.stdout)
    assert answer(plaudit("economy", "diff", "again.yaml", "--format", "json")) == []
    assert "  - 10\n  + 20" in plaudit("economy", "diff", "--tenant", "acme", "--from", "1", "--to", "2").stdout
    assert "no revision 7; kept are 1, 2" in refusal(plaudit("economy", "show", "--tenant", "acme", "--revision", "7"))


def test_a_broker_that_is_away_is_named(plaudit: Plaudit, tmp_path: Path) -> None:
    """Without a traceback; a check needs no broker at all."""
    (tmp_path / "acme.yaml").write_text(DOCUMENT)

    nowhere = {"PYTHONPATH": str(REPOSITORY), "PATH": "", "PLAUDIT_BROKER": "127.0.0.1:1"}
    codes = {
        command: subprocess.run(
            [sys.executable, "-m", "pipeline", "economy", command, "acme.yaml"],
            cwd=tmp_path,
            env=nowhere,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for command in ("validate", "publish")
    }

    assert codes["validate"].returncode == 0
    assert "127.0.0.1:1" in refusal(codes["publish"])


def refused(broker: str, prefix: str, count: int) -> None:
    """Write dead letters as a stage does: in one batch for each partition."""
    topic = topic_name(prefix, DEAD_LETTERS)

    async def write() -> None:
        producer = BatchProducer(broker, "tests")
        await producer.start()
        try:
            for partition in range(PARTITIONS):
                await producer.append(topic, partition, letters(partition).outputs[topic, partition])
        finally:
            await producer.stop()

    def letters(partition: int) -> Effects:
        effects = Effects(partition)
        for offset in range(count):
            record = MemoryRecord(b"\xff\x1b[2J", offset=offset, timestamp=now_ms(), key=b"k")
            reason = Reason.NOT_UTF8 if offset % 2 else Reason.NOT_JSON
            run = Run("source", partition, [record])
            dead_letter(effects, topic, run, record, "normalize", reason, "[bold]no[/bold]", f"t{partition}")
        return effects

    asyncio.run(write())


def test_dead_letters_are_listed_and_shown(plaudit: Plaudit, broker: Tansu | Kafka, prefix: str) -> None:
    """Newest first, filtered, bounded; one of them whole. What was sent is never read as markup or commands."""
    assert answer(plaudit("dlq", "list", "--format", "json")) == []
    refused(broker.address, prefix, 10)

    everything = answer(plaudit("dlq", "list", "--format", "json"))
    some = answer(plaudit("dlq", "list", "--tenant", "t1", "--reason", "not_utf8", "--limit", "3", "--format", "json"))
    assert isinstance(everything, list)
    assert isinstance(some, list)
    assert len(everything) == 10 * PARTITIONS
    assert [letter["place"] for letter in some] == ["1:9", "1:7", "1:5"]
    table = plaudit("dlq", "list").stdout
    assert "[bold]no[/bold]" in table
    shown = plaudit("dlq", "show", "1:9")
    assert "00000000  ff 1b 5b 32 4a" in shown.stdout
    assert "\x1b" not in shown.stdout + table
    whole = answer(plaudit("dlq", "show", "1:9", "--format", "json"))
    assert isinstance(whole, dict)
    assert (whole["reason"], whole["offset"], whole["record"]["encoding"]) == ("not_utf8", 9, "base64")


def test_a_dead_letter_that_is_not_there_is_said_so(plaudit: Plaudit, broker: Tansu | Kafka, prefix: str) -> None:
    """A wrong place, another partition, or one behind the end."""
    refused(broker.address, prefix, 1)

    assert "is no PARTITION:OFFSET" in refusal(plaudit("dlq", "show", "first"))
    assert "there is no dead letter at 9:0" in refusal(plaudit("dlq", "show", "9:0"))
    assert "there is no dead letter at 0:7" in refusal(plaudit("dlq", "show", "0:7"))
