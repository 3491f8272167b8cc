"""A peer as a contender: one process that reads its own copy of the workload's topic."""

import asyncio
import json
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import psycopg

from bench.contender import ContenderFailed, differences
from bench.feed import Piece, burst
from bench.peers.config import Config
from bench.stand import Stand
from bench.venvs import PEERS, jars_of, python_of
from bench.workload import Expected, Workload
from pipeline.embedded.processes import Child
from pipeline.partitioner import partitioner
from pipeline.recordbatch.model import Output
from tests.end_to_end.deployment import PARTITIONS
from tests.wait import until_sync

ROOT = Path(__file__).parents[1]
_STOP_S = 60.0
_RELAYS = 3  # as normalize, dedupe and match
_RECOVERY_S = 600.0


class Peer(ABC):
    """A peer's process, its topic, its database with the peers' tables. All of them count boards before they write."""

    name: ClassVar[str]
    share: ClassVar[float] = 1.0
    transfers: ClassVar[str] = "transfers"

    def __init__(self, stand: Stand, work: Workload, suffix: str = "") -> None:
        """Prepare it; a `suffix` tells one from others of its kind on the same stand."""
        self.slug = self.name.lower().replace(" ", "-") + suffix  # for topics, groups and folders
        self.topic = f"{self.slug}.events"
        self.database = stand.database()
        self._stand = stand
        self._folder = stand.household.folder / self.slug
        self._config = Config(
            broker=stand.broker,
            topic=self.topic,
            group=f"bench-{self.slug}",
            database=self.database,
            state=str(self._folder / "state"),
            boards=str(self._folder / "boards.jsonl"),
            partitions=PARTITIONS,
            economies={tenant: work.economy(tenant) for tenant in work.tenant_names()},
        )
        self._child: Child | None = None

    @property
    def boards_file(self) -> Path:
        """Where it leaves its boards when it stops."""
        return Path(self._config.boards)

    @abstractmethod
    def command(self) -> list[str]:
        """Return the peer's command line; BENCH_CONFIG in its environment names the file with its configuration."""

    def boards(self) -> dict[tuple[str, str, str, str], int]:
        """Return the scores by tenant, board, window, actor; called once it has stopped."""
        lines = self.boards_file.read_text(encoding="utf-8").splitlines()
        return {(tenant, board, window, actor): score for tenant, board, window, actor, score in map(json.loads, lines)}

    def start(self) -> None:
        self._folder.mkdir()
        file = self._folder / "config.json"
        file.write_text(json.dumps(asdict(self._config)))
        with psycopg.connect(self.database) as connection:
            connection.execute((PEERS / "ledger.sql").read_bytes())
        self._stand.create_topic(self.topic)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAUDIT_")}
        environment |= {"PYTHONPATH": str(ROOT), "BENCH_CONFIG": str(file)}
        self._child = self._stand.household.start(self.slug, self.command(), env=environment, cwd=self._folder)

    def processes(self) -> Mapping[str, int]:
        assert self._child is not None
        return {self.name: self._child.pid}

    def tail(self) -> str:
        assert self._child is not None
        return self._child.tail(40)

    def died(self) -> bool:
        return self._child is None or self._child.exit_code is not None

    def boards_done(self, posting: int) -> bool:
        return True

    def stop_and_compare(self, expected: Expected) -> list[str]:
        assert self._child is not None
        self._child.ask_to_stop()
        if not self._child.wait(_STOP_S):
            raise ContenderFailed(f"{self.name} does not stop:\n{self.tail()}")
        boards = self.boards()
        with psycopg.connect(self.database) as connection:
            balances = {
                (tenant, actor, currency): int(balance)
                for tenant, actor, currency, balance in connection.execute("SELECT * FROM balances")
            }
            (transfers,) = connection.execute("SELECT count(*) FROM transfers").fetchone() or (0,)
        return differences(expected, balances, boards, int(transfers))


class PlainLoop(Peer):
    """A consumer, dictionaries and COPY."""

    name = "plain loop"

    def command(self) -> list[str]:
        return [str(python_of("plain_loop")), "-m", "bench.peers.plain_loop.app"]


class BareChain(PlainLoop):
    """The plain loop behind as many relays as the product has stages before its ledger: a chain with nothing in it."""

    name = "bare chain"

    def __init__(self, stand: Stand, work: Workload, suffix: str = "") -> None:
        """Prepare it; a `suffix` tells one from others of its kind on the same stand."""
        super().__init__(stand, work, suffix)
        self._topics = [self.topic, *(f"{self.topic}.{number}" for number in range(_RELAYS))]
        self._config = replace(self._config, topic=self._topics[-1])
        self._relays: list[Child] = []

    def start(self) -> None:
        for topic in self._topics[1:]:
            self._stand.create_topic(topic)
            self._stand.create_topic(f"{topic}-changelog", compact=True)
        super().start()
        relay = [str(python_of("plain_loop")), "-m", "bench.peers.plain_loop.relay", self._stand.broker]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for source, target in pairwise(self._topics):
            command = [*relay, source, target, f"{target}-changelog"]
            self._relays.append(self._stand.household.start(target, command, env=environment, cwd=self._folder))

    def processes(self) -> Mapping[str, int]:
        relays = {f"relay {number}": each.pid for number, each in enumerate(self._relays, start=1)}
        return {**relays, **super().processes()}

    def died(self) -> bool:
        return super().died() or any(each.exit_code is not None for each in self._relays)

    def tail(self) -> str:
        return "\n".join([*(each.tail(10) for each in self._relays), super().tail()])

    def stop_and_compare(self, expected: Expected) -> list[str]:
        for relay in self._relays:
            relay.stop(_STOP_S)
        return super().stop_and_compare(expected)


class FaustIdiomatic(Peer):
    """Faust as its tutorial has it."""

    name = "idiomatic Faust"
    share = 0.1

    def start(self) -> None:
        # A worker that gets events before its client has heard of the changelogs that it creates itself ends.
        for table in ("seen", "used", "balances", "scores"):
            self._stand.create_topic(self._changelog(table), compact=True)
        super().start()

    def boards(self) -> dict[tuple[str, str, str, str], int]:
        boards = {}
        for key, value in self._stand.compacted(self._changelog("scores")).items():
            tenant, board, window, actor = str(json.loads(key)).split("|")
            boards[(tenant, board, window, actor)] = int(json.loads(value))
        return boards

    def _changelog(self, table: str) -> str:
        return f"{self._config.group}-{table}-changelog"

    def command(self) -> list[str]:
        faust = [str(python_of("faust_idiomatic").with_name("faust")), "-A", "bench.peers.faust_idiomatic.app"]
        return [*faust, "--loop", "uvloop", "worker", "--loglevel", "info", "--without-web"]


class Quix(Peer):
    """Quix Streams with RocksDB and a batching sink."""

    name = "Quix Streams"

    def boards(self) -> dict[tuple[str, str, str, str], int]:
        boards = {}
        changelog = f"changelog__{self._config.group}--{self.topic}--default"
        for key, value in self._stand.compacted(changelog).items():
            owner, _, entry = key.rpartition(b"|")
            kind, _, window = str(json.loads(entry)).partition(" ")
            if kind in ("day", "week"):
                tenant, _, actor = owner.decode().partition("|")
                found = json.loads(value)
                board, score = ("daily", found["score"]) if kind == "day" else ("weekly", found)
                boards[(tenant, board, window, actor)] = score
        return boards

    def command(self) -> list[str]:
        return [str(python_of("quix")), "-m", "bench.peers.quix.app"]


class KafkaStreams(Peer):
    """Kafka Streams with the Processor API, RocksDB and JDBC."""

    name = "Kafka Streams"

    def command(self) -> list[str]:
        return [*java("kafka-streams"), "bench.App"]


class KafkaStreamsStore:
    """A Kafka Streams application with nothing but a store of given entries, for the time that its recovery takes."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._folder = stand.household.folder / "kafka-streams-store"
        self._folder.mkdir()
        self._config = Config(
            broker=stand.broker,
            topic="kafka-streams-store.profiles",
            group="kafka-streams-store",
            database="",
            state=str(self._folder / "state"),
            boards="",
            partitions=PARTITIONS,
            economies={},
        )
        self._starts = 0

    def fill(self, entries: Mapping[bytes, bytes]) -> None:
        """Put entries into the store and its changelog; stopped afterwards."""
        self._stand.create_topic(self._config.topic)
        partition_of = partitioner(PARTITIONS)
        records = [(partition_of(key), Output(key, value)) for key, value in entries.items()]
        asyncio.run(burst(self._stand.broker, self._config.topic, Piece(records)))
        child = self._start()
        self._wait(child, f"held {len(entries)};")
        self._stop(child)

    def recovery(self) -> float:
        """Return the seconds from its start on an empty disk until its tasks run, their state restored."""
        shutil.rmtree(self._config.state)
        # It does not leave its group when it is stopped: the next would wait until the broker has given it up.
        until_sync(lambda: self._stand.group_is_empty(self._config.group), _RECOVERY_S, "its group is empty")
        start = time.perf_counter()
        child = self._start()
        self._wait(child, "ready")
        seconds = time.perf_counter() - start
        self._stop(child)
        return seconds

    def _start(self) -> Child:
        file = self._folder / "config.json"
        file.write_text(json.dumps(asdict(self._config)))
        self._starts += 1
        return self._stand.household.start(
            f"kafka-streams-store-{self._starts}",
            [*java("kafka-streams"), "bench.Store"],
            env={**os.environ, "BENCH_CONFIG": str(file)},
            cwd=self._folder,
        )

    def _wait(self, child: Child, line: str) -> None:
        """Wait until it has written a line."""
        until_sync(
            lambda: child.exit_code is not None or line in child.log.read_text(), _RECOVERY_S, f"it says {line!r}"
        )
        if child.exit_code is not None:
            raise ContenderFailed(f"{child.name} ended:\n{child.tail()}")

    def _stop(self, child: Child) -> None:
        child.stop(_STOP_S)
        self._stand.household.forget(child)


def java(peer: str) -> list[str]:
    """Return the command that runs a class of a peer, without the class."""
    program = shutil.which("java")
    assert program is not None, "java is not on the PATH"
    return [program, "-cp", f"{jars_of(peer)}/*"]
