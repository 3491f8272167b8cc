"""The ledger's database in memory: it runs the sink's own statements, keeps its constraints, and may fail at each."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple

from psycopg import OperationalError, errors

from sinks.ledger import statements
from sinks.ledger.rows import COLUMNS, COPY_END, COPY_HEADER, GENESIS
from tests.simulation.process import Process

_LOCK_TRIES, _LOCK_POLL_S = 20, 0.5
# How long a session may sleep inside a transaction before the server ends it.
_IDLE_S = 2.0


class Row(NamedTuple):
    """A transfer as it stands in the table, its numbers and texts read."""

    partition: int
    seq: int
    leg: int
    id: bytes
    amount: int
    revision: int
    tenant: str
    event_id: str
    debit_account: str
    credit_account: str
    currency: str
    kind: str
    cause: str


_NUMBERS = frozenset({"partition", "seq", "leg", "amount", "revision"})


class Database:
    """The tables. `away` refuses all, `trouble` is how likely a statement or the answer to a commit is lost."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.away = False
        self.trouble = 0.0
        self.transfers: dict[tuple[int, int, int], Row] = {}
        self.progress: dict[int, int] = {}
        self.links: dict[int, list[bytes]] = defaultdict(lambda: [GENESIS])
        self.debits: dict[tuple[int, str, str, str], int] = defaultdict(int)
        self.credits: dict[tuple[int, str, str, str], int] = defaultdict(int)
        self.locks: dict[int, MemoryConnection] = {}
        self._ids: set[bytes] = set()

    async def connect(self, process: Process) -> Any:
        """Open a connection for a process."""
        await process.between("sink")
        await process.latency()
        if self.away:
            raise OperationalError("the server is away")
        return MemoryConnection(self, process)

    def balances(self) -> dict[tuple[str, str, str], int]:
        """Return the balance of each tenant's account and currency."""
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for _, *key in self.debits.keys() | self.credits.keys():
            found[key[0], key[1], key[2]] = 0
        for (_, tenant, account, currency), amount in self.credits.items():
            found[tenant, account, currency] += amount
        for (_, tenant, account, currency), amount in self.debits.items():
            found[tenant, account, currency] -= amount
        return dict(found)

    def commit(self, work: "Transaction") -> None:
        """Take a transaction over, all of it or, where a constraint forbids it, nothing."""
        for row in work.rows:
            if (row.partition, row.seq, row.leg) in self.transfers or row.id in self._ids:
                raise errors.UniqueViolation(f"the transfer at {row.partition}/{row.seq}/{row.leg} is there already")
        for key, (debits, credits_) in work.totals.items():
            left = self.credits[key] + credits_ - self.debits[key] - debits
            if left < 0 and key[2].startswith("actor:"):
                raise errors.CheckViolation(f"{key[2]} would fall to {left}")
        for partition, previous, link in work.links:
            if self.links[partition][-1] != previous:
                raise errors.UniqueViolation(f"the chain of partition {partition} has another end")
            self.links[partition].append(link)
        for row in work.rows:
            self.transfers[row.partition, row.seq, row.leg] = row
            self._ids.add(row.id)
        for key, (debits, credits_) in work.totals.items():
            self.debits[key] += debits
            self.credits[key] += credits_
        self.progress.update(work.progress)

    def end_sessions(self, process: Process) -> None:
        """Roll back what a process had open, once the server sees that it is gone."""
        for partition, holder in list(self.locks.items()):
            if holder.process is process:
                holder.lose()
                self.locks.pop(partition, None)


class Transaction:
    """What a session has said since BEGIN."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.totals: dict[tuple[int, str, str, str], tuple[int, int]] = {}
        self.links: list[tuple[int, bytes, bytes]] = []
        self.progress: dict[int, int] = {}


class Answer:
    """What a query returned."""

    def __init__(self, row: tuple[Any, ...] | None) -> None:
        self._row = row

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self._row


class MemoryConnection:
    """A session, as the sink uses psycopg's."""

    def __init__(self, database: Database, process: Process) -> None:
        self.closed = False
        self.process = process
        self._database = database
        self._work = Transaction()

    async def close(self) -> None:
        self.lose()

    def lose(self) -> None:
        """End the session; what it had not committed is undone."""
        self.closed = True
        self._release()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def cursor(self) -> AsyncIterator["MemoryConnection"]:
        yield self

    @asynccontextmanager
    async def copy(self, statement: str) -> AsyncIterator["Copy"]:
        assert statement == statements.COPY_TRANSFERS
        copied = Copy()
        yield copied
        await self._reach_server()
        self._work.rows += copied.rows()

    async def execute(self, statement: str, parameters: Any = ()) -> Answer:
        """Run one of the sink's statements."""
        await self._reach_server()
        match statement:
            case "BEGIN ISOLATION LEVEL READ COMMITTED":
                self._work = Transaction()
            case "COMMIT":
                await self._commit()
            case statements.LOCK_PROGRESS:
                return Answer(await self._lock(*parameters))
            case statements.CREATE_PROGRESS:
                self._database.progress.setdefault(parameters[0], -1)
            case statements.LAST_LINK:
                link = self._database.links[parameters[0]][-1]
                return Answer(None if link == GENESIS else (link,))
            case statements.SET_PROGRESS:
                self._work.progress[parameters[1]] = parameters[0]
            case statements.INSERT_LINK:
                self._work.links.append((parameters[0], parameters[4], parameters[5]))
            case statements.TAKE_FROM_BALANCES | statements.ADD_TO_BALANCES:
                self._work.totals.update(_totals(parameters))
            case statements.INSERT_CHECKSUMS:
                pass
            case _:
                raise AssertionError(f"the sink says something new: {statement}")
        return Answer(None)

    async def _commit(self) -> None:
        # The lock belongs to those who have seen the row; nobody commits without it, as the statements have it.
        self._database.commit(self._work)
        self._release()
        await self.process.between("sink")
        if self._fails():
            self.lose()
            raise OperationalError("the answer to the commit was lost")

    async def _reach_server(self) -> None:
        await self.process.between("sink")
        if self.closed or self._database.away or self._fails():
            self.lose()
            raise OperationalError("the connection was lost")
        if self._database.chance.random() < 0.2:
            await self.process.latency()
            await self.process.between("sink")
            if self.closed:
                raise OperationalError("the server ended the session")

    def _fails(self) -> bool:
        return bool(self._database.trouble) and self._database.chance.random() < self._database.trouble

    async def _lock(self, partition: int) -> tuple[int] | None:
        """Wait until nobody else writes for the partition; return its progress."""
        locks = self._database.locks
        for _ in range(_LOCK_TRIES):
            holder = locks.get(partition)
            if holder is None or holder is self:
                if partition not in self._database.progress:
                    return None
                locks[partition] = self
                return (self._database.progress[partition],)
            stopped_at = holder.process.stopped_at
            if stopped_at is not None and asyncio.get_running_loop().time() - stopped_at > _IDLE_S:
                holder.lose()
            await asyncio.sleep(_LOCK_POLL_S)
        raise errors.LockNotAvailable("another session holds the row")

    def _release(self) -> None:
        locks = self._database.locks
        for partition in [number for number, holder in locks.items() if holder is self]:
            del locks[partition]
        self._work = Transaction()


class Copy:
    """The bytes of a COPY."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    async def write(self, part: bytes) -> None:
        self._parts.append(part)

    def rows(self) -> list[Row]:
        """Return the tuples that were copied."""
        data = b"".join(self._parts)
        assert data.startswith(COPY_HEADER)
        assert data.endswith(COPY_END)
        return [_row(values) for values in _tuples(data, len(COPY_HEADER), len(data) - len(COPY_END))]


def _tuples(data: bytes, at: int, end: int) -> Iterator[Mapping[str, bytes]]:
    while at < end:
        assert int.from_bytes(data[at : at + 2], "big") == len(COLUMNS)
        at += 2
        values = {}
        for column in COLUMNS:
            size = int.from_bytes(data[at : at + 4], "big")
            values[column] = data[at + 4 : at + 4 + size]
            at += 4 + size
        yield values


def _row(values: Mapping[str, bytes]) -> Row:
    read: dict[str, Any] = {"id": values["id"]}
    for name in Row._fields:
        if name != "id":
            read[name] = int.from_bytes(values[name], "big") if name in _NUMBERS else values[name].decode()
    return Row(**read)


def _totals(parameters: Mapping[str, Any]) -> dict[tuple[int, str, str, str], tuple[int, int]]:
    debits, credits_ = (_numbers(parameters[name]) for name in ("debits", "credits"))
    names: Sequence[Sequence[str]] = [parameters[name] for name in ("tenants", "accounts", "currencies")]
    return {
        (parameters["partition"], tenant, account, currency): (debit, credit)
        for tenant, account, currency, debit, credit in zip(*names, debits, credits_, strict=True)
    }


def _numbers(array: str) -> list[int]:
    return [int(each) for each in array.strip("{}").split(",")]
