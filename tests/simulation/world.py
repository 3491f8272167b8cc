"""One simulated run: a deployment in memory, what it is sent, what goes wrong, and the quiet in which all is right."""

import asyncio
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pipeline.events import from_millis, micros
from pipeline.topology import ECONOMIES, EVENTS_RAW, LEADERBOARDS, STAGES, Stage, changelog_name
from tables.economies import EconomyHistory, append_revision, encode_history
from tests.simulation.broker import Broker, MemoryEconomyReader
from tests.simulation.closing import Closings, Keeper
from tests.simulation.database import Database
from tests.simulation.disk import MemoryDisk
from tests.simulation.economies import TENANTS, document
from tests.simulation.faults import Faults
from tests.simulation.group import SESSION_S, Group
from tests.simulation.oracle.state import Publication
from tests.simulation.process import Process
from tests.simulation.worker import MARGIN_S, PARTITIONS, Host, Outside
from tests.simulation.workload import Sent, sendings

PLAGUED_S = 10.0
SENDING_S = 8.0
# How often workers look whether they are alone. With the longest, other means must find a zombie in time.
_CHECKS_S = (2.0, 8.0, 14.0)
_DRAINED_S_MAX = 200.0
# The share of seeds in which ranks are watched: looks take as long as everything else together.
_WATCHED = 0.125
# The share of the others in which seasons are closed, and how long after their end.
_CLOSING = 0.07
_GRACES_S = (0.0, 2.0, 5.0)
# Workers look more often there, so that a standing is read twice, and frozen, while things go wrong.
_CLOSING_CHECK_S, _APART_S = 1.0, 1.5
_CLOSING_PLAGUED_S = 14.0
_MARGIN_MS = round(MARGIN_S * 1_000)


@dataclass
class Slot:
    """A place for one worker: its name and its disk outlive its processes."""

    name: str
    stage: Stage
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    host: Host | None = None


class Served(NamedTuple):
    """What a worker said of an actor, while it claimed to be ready."""

    worker: str
    at: float
    key: bytes
    value: bytes | None


class World:
    """Everything of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        chance = Random(f"simulation {seed}")
        self.trace: list[str] = []
        self.problems: list[str] = []
        self.served: list[Served] = []
        self.chance = chance
        self.broker = Broker(chance)
        self.database = Database(chance)
        self.stages = list(STAGES)
        self.groups = {stage.name: Group(stage.name, PARTITIONS, chance, self.tell) for stage in self.stages}
        self.slots: list[Slot] = []
        self.sent: list[Sent] = sendings(chance, SENDING_S)
        self.publications: list[Publication] = []
        self.watched = chance.random() < _WATCHED
        self.closings: Closings | None = None
        self.plagued_s = PLAGUED_S
        self.settled_ms = 0  # since when nothing was left to do but to close seasons
        check_s = chance.choice(_CHECKS_S)
        if not self.watched and chance.random() < _CLOSING:
            self.closings = Closings(min(TENANTS), chance.choice(_GRACES_S), _APART_S, self._boards)
            self.plagued_s, check_s = _CLOSING_PLAGUED_S, _CLOSING_CHECK_S
        self._outside = Outside(
            self.broker, self.database, self.groups, self.tell, self._failed, check_s, self.watched, self.closings
        )
        self._contested = False

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def tell(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now():7.3f}  {line}")

    def _failed(self, problem: str) -> None:
        self.tell(problem)
        self.problems.append(problem)

    async def run(self) -> None:
        """Live through the plague and into the quiet after it."""
        for stage in self.stages:
            for _ in range(self.chance.choice([1, 2, 2])):
                self.add_worker(stage)
        world = [asyncio.create_task(each) for each in (self._send(), self._publish(), self._watch())]
        plague = asyncio.create_task(Faults(self, self.chance).plague())
        await asyncio.sleep(self.plagued_s)
        plague.cancel()
        self._heal()
        await self._drain()
        for task in world:
            task.cancel()

    # Workers.

    def add_worker(self, stage: Stage) -> None:
        """Start one more worker of a stage, up to three."""
        places = [slot for slot in self.slots if slot.stage is stage]
        if len(places) < 3:
            slot = Slot(f"{stage.name}-{len(places)}", stage)
            self.slots.append(slot)
            self.start(slot)

    def start(self, slot: Slot) -> None:
        """Start a worker in its place, unless one is there."""
        if slot.host is None or slot.host.process.dead:
            self.tell(f"{slot.name} starts")
            slot.host = Host(slot.stage, Process(slot.name, self.chance), slot.disk, self._outside)
            slot.host.start()

    def alive(self, slot: Slot) -> bool:
        """Return whether a worker runs in this place, or sleeps."""
        return slot.host is not None and not slot.host.process.dead

    def kill(self, slot: Slot) -> None:
        """End a worker's process; its group and the database notice after a while."""
        host = slot.host
        assert host is not None
        host.process.kill()
        loop = asyncio.get_running_loop()
        loop.call_later(self.chance.random() * SESSION_S, host.group.leave, host)
        loop.call_later(self.chance.random(), self.database.end_sessions, host.process)

    def stop(self, slot: Slot) -> None:
        """Stop a worker's process; if that takes longer than a session, its group goes on without it."""
        host = slot.host
        assert host is not None
        host.process.stop()
        since = host.process.stopped_at

        def expire() -> None:
            if host.process.stopped_at == since and not host.process.dead:
                host.group.leave(host)

        asyncio.get_running_loop().call_later(SESSION_S, expire)

    def resume(self, host: Host) -> None:
        """Let a stopped worker go on."""
        if host.process.stopped_at is not None:
            self.tell(f"{host.name} goes on")
            host.process.resume()

    # Outside.

    def heal_broker(self) -> None:
        """Let the broker be well again."""
        self.broker.away, self.broker.trouble = False, 0.0

    def heal_database(self) -> None:
        """Let the database be well again."""
        self.database.away, self.database.trouble = False, 0.0

    def compact(self) -> None:
        """Compact what a topic's minimum lag leaves to compaction.

        Changelogs whose owner has seen all there is; the economies when nobody is reading them, and nobody has just
        lost a race and not published again.
        """
        if not self._contested and not self.broker.being_read:
            self.broker.log(ECONOMIES.name, 0).compact()
        for slot in self.slots:
            host = slot.host
            if host is None or host.process.dead or host.process.stopped_at is not None:
                continue
            for partition in host.worker.partitions.owned.values():
                for shard in partition.shards.values():
                    log = self.broker.log(shard.topic, shard.partition)
                    if partition.ready and not partition.lock.locked() and shard.expected == log.end:
                        log.compact()

    async def _send(self) -> None:
        for each in self.sent:
            await asyncio.sleep(max(0.0, each.at - self.now()))
            partition = self.chance.randrange(PARTITIONS) if each.key is None else sum(each.key) % PARTITIONS
            self.broker.add(EVENTS_RAW.name, partition, [(each.key, each.value, ())])

    async def _publish(self) -> None:
        """Publish each tenant's economy, and another revision or two in mid-stream; now and then late, or twice."""
        reader = MemoryEconomyReader(self.broker, Process("publisher", self.chance), ECONOMIES.name)
        due = [(0.0, tenant) for tenant in TENANTS]
        due += [(self.chance.random() * SENDING_S, self.chance.choice(list(TENANTS))) for _ in range(2)]
        for at, tenant in sorted(due):
            await asyncio.sleep(max(0.0, at - self.now()))
            await self._read(reader)
            history = self._revision(reader, tenant)
            rival = self._revision(reader, tenant) if self.chance.random() < 0.25 else None
            await asyncio.sleep(self.chance.choice([0.0, 0.0, 3.0]) * self.chance.random())
            self._append(history)
            if rival is not None:  # it was as fast, comes second, and publishes again, as the publisher does
                self._contested = True
                self._append(rival)
                await self._read(reader)
                self._append(self._revision(reader, tenant))
                self._contested = False

    async def _read(self, reader: MemoryEconomyReader) -> None:
        while True:
            with suppress(OSError):
                await reader.read_to_end()
                return
            await asyncio.sleep(0.2)

    def _revision(self, reader: MemoryEconomyReader, tenant: str) -> EconomyHistory:
        raw = json.dumps(document(self.chance, tenant)).encode()
        now = from_millis(self.broker.now_ms() + self.chance.randint(-300, 300))
        return append_revision(reader.histories.get(tenant), tenant, raw, now, None, _MARGIN_MS)

    def _append(self, history: EconomyHistory) -> None:
        newest = history.newest
        self.tell(f"revision {newest.revision} of {history.tenant} is published")
        appended = self.broker.now_ms()
        self.broker.add(ECONOMIES.name, 0, [(history.tenant.encode(), encode_history(history), ())])
        instants = (micros(newest.published_at) // 1000, micros(newest.effective_at) // 1000)
        document_ = json.loads(bytes(newest.document))
        self.publications.append(Publication(history.tenant, newest.revision, *instants, appended, document_))

    async def _watch(self) -> None:
        """Ask workers for what they claim to know, again and again."""
        while True:
            await asyncio.sleep(0.5 + self.chance.random())
            for slot in self.slots:
                if slot.stage.name != "match" or slot.host is None or slot.host.process.dead:
                    continue
                for partition in slot.host.worker.partitions.owned.values():
                    if partition.ready and not partition.fenced and slot.host.process.stopped_at is None:
                        for key, value in partition.shards["profiles"].items():
                            self.served.append(Served(slot.name, self.now(), key, value))

    # The end.

    def _heal(self) -> None:
        self.tell("peace")
        self.heal_broker()
        self.heal_database()
        for slot in self.slots:
            if slot.host is not None:
                slot.host.process.disarm()
                self.resume(slot.host)

    def _supervise(self) -> None:
        """Start a worker of every stage that has none left."""
        for stage in self.stages:
            mine = [slot for slot in self.slots if slot.stage is stage]
            if all(slot.host is None or slot.host.process.dead for slot in mine):
                self.start(mine[0])

    async def _drain(self) -> None:
        """Wait until everything is finished, and has been for longer than workers take to look for others."""
        quiet_since = None
        while quiet_since is None or self.now() - quiet_since < self._outside.check_s + 1.0:
            await asyncio.sleep(0.5)
            if self.problems:
                return
            self._supervise()
            behind = self.behind()
            quiet_since = None if behind else (quiet_since or self.now())
            if self.now() > self.plagued_s + _DRAINED_S_MAX:
                self._failed(f"never finished: {', '.join(behind)}")
                return
        if self.closings is not None:
            await self._close_seasons()

    async def _close_seasons(self) -> None:
        """Wait until each worker of the ledger has looked whether a season is due, and closed what is."""
        quiet_since, self.settled_ms = self.now(), self.broker.now_ms()
        while open_ := [name for name, keeper in self._keepers() if keeper.looked < quiet_since]:
            await asyncio.sleep(0.5)
            if self.problems:
                return
            if self.now() > quiet_since + _DRAINED_S_MAX:
                self._failed(f"{', '.join(open_)} never finished closing seasons")

    def _keepers(self) -> list[tuple[str, Keeper]]:
        hosts = [slot.host for slot in self.slots if slot.host is not None and self.alive(slot)]
        return [(host.name, host.keeper) for host in hosts if host.keeper is not None]

    def _boards(self) -> list[Host]:
        hosts = [slot.host for slot in self.slots if slot.stage is LEADERBOARDS and slot.host is not None]
        return [host for host in hosts if not host.process.dead]

    def end(self) -> None:
        """End all workers."""
        for slot in self.slots:
            if slot.host is not None:
                slot.host.process.kill()

    def behind(self) -> list[str]:
        """Return what is not finished."""
        found = [f"{self.broker.late} requests under way"] if self.broker.late else []
        for stage in self.stages:
            for number in range(PARTITIONS):
                end, committed = self.broker.log(stage.reads.name, number).end, self.groups[stage.name].committed
                if committed.get(number, 0) < end:
                    found.append(f"{stage.name}/{number} at {committed.get(number, 0)} of {end}")
                if self.owner(stage, number) is None:
                    found.append(f"nobody serves {stage.name}/{number}")
        return found

    def owner(self, stage: Stage, number: int) -> Host | None:
        """Return the worker that serves a partition."""
        for slot in self.slots:
            if slot.stage is stage and slot.host is not None and not slot.host.process.dead:
                owned = slot.host.worker.partitions.owned.get(number)
                if owned is not None and owned.ready and not owned.fenced and slot.host in slot.host.group.members:
                    return slot.host
        return None

    def digest(self) -> str:
        """Return a fingerprint of the run: its trace and everything that the log holds."""
        hashed = hashlib.sha256("\n".join(self.trace).encode())
        for stage in self.stages:
            for topic in (stage.reads, *stage.writes):
                for number in range(PARTITIONS):
                    hashed.update(repr([tuple(each) for each in self.broker.log(topic.name, number).records]).encode())
            for table in stage.tables:
                for number in range(PARTITIONS):
                    logged = self.broker.log(changelog_name("", stage, table), number).records
                    hashed.update(repr([(each.offset, each.key) for each in logged]).encode())
        return hashed.hexdigest()[:16]
