"""A session with the database in memory: it runs the sink's own statements, one by one, and may fail at each."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import OperationalError, errors

from sinks.ledger import asked, seasons, statements, stock
from sinks.ledger.rows import GENESIS
from tests.simulation.copied import Copy, Row
from tests.simulation.database import Claim, Database, Frozen, Transaction
from tests.simulation.process import Process

_LOCK_TRIES, _LOCK_POLL_S = 20, 0.5
# How long a session may sleep inside a transaction before the server ends it.
_IDLE_S = 2.0


class Answer:
    """What a statement returned, and how many rows it changed."""

    def __init__(self, rows: Iterable[tuple[Any, ...]] = (), rowcount: int = 0) -> None:
        self.rows = list(rows)
        self.rowcount = rowcount

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        for row in self.rows:
            yield row


async def connect(database: Database, process: Process, call: Any = None) -> Any:
    """Open a connection for a process."""
    await process.between("sink")
    await process.latency()
    if database.away:
        raise OperationalError("the server is away")
    return MemoryConnection(database, process, call)


class MemoryConnection:
    """A session, as the sink uses psycopg's; `call` is the try to close a season that it is opened for."""

    def __init__(self, database: Database, process: Process, call: Any = None) -> None:
        self.call = call
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

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self._release()
        await self.execute("COMMIT")

    async def execute(self, statement: str, parameters: Any = ()) -> Answer:
        """Run one of the sink's statements."""
        await self._reach_server()
        for execute in (self._around, self._about_partition, self._about_stock, self._about_season):
            answer = await execute(statement, parameters)
            if answer is not None:
                return answer
        raise AssertionError(f"the sink says something new: {statement}")

    async def _around(self, statement: str, _parameters: Any) -> Answer | None:
        match statement:
            case "BEGIN ISOLATION LEVEL READ COMMITTED":
                self._work = Transaction()
            case "COMMIT":
                await self._commit()
            case _:
                return None
        return Answer()

    async def _about_partition(self, statement: str, parameters: Any) -> Answer | None:
        progress, links = self._database.progress, self._database.links
        match statement:
            case statements.LOCK_PROGRESS:
                if parameters[0] in progress:
                    await self._lock(("progress", parameters[0]))
                    return Answer([(progress[parameters[0]],)])
            case statements.CREATE_PROGRESS:
                progress.setdefault(parameters[0], -1)
            case statements.LAST_LINK:
                link = links[parameters[0]][-1]
                return Answer([] if link == GENESIS else [(link,)])
            case statements.SET_PROGRESS:
                self._work.progress[parameters[1]] = parameters[0]
            case statements.INSERT_LINK:
                self._work.links.append((parameters[0], parameters[4], parameters[5]))
            case statements.TAKE_FROM_BALANCES | statements.ADD_TO_BALANCES:
                self._work.totals.update(_totals(parameters))
            case statements.INSERT_CHECKSUMS:
                pass
            case asked._CAUSED:
                return Answer(self._caused(*parameters))
            case _:
                return None
        return Answer()

    async def _about_stock(self, statement: str, parameters: Any) -> Answer | None:
        database = self._database
        match statement:
            case stock._OPEN:
                database.taken.setdefault(parameters, 0)
            case stock._LOCK:
                if "FOR UPDATE" in statement:
                    await self._lock(parameters)
                return Answer([(database.taken[parameters],)])
            case stock._DECIDED:
                claim = database.claims.get(parameters)
                return Answer([] if claim is None else [(claim.granted,)])
            case stock._DECIDE:
                self._work.claims.append(Claim(*parameters))
            case stock._RETURN:
                tenant, name, reward = parameters
                claim = database.claims.get((tenant, name))
                again = "AND NOT returned" in statement and (tenant, name) in database.returned
                if claim is not None and claim.reward == reward and claim.granted and not again:
                    self._work.returned.append((tenant, name))
                    return Answer(rowcount=1)
            case stock._COUNT:
                more, tenant, reward = parameters
                self._work.taken.append((tenant, reward, more))
            case _:
                return None
        return Answer()

    async def _about_season(self, statement: str, parameters: Any) -> Answer | None:
        closed = [each.closed_at for name, each in self._database.frozen.items() if name[:2] == tuple(parameters)]
        match statement:
            case seasons._LOCK:
                if "pg_advisory_xact_lock" in statement:
                    await self._lock(parameters)
            case seasons._CLOSED:
                return Answer([(bool(closed),)])
            case seasons._CLOSED_AT:
                return Answer([(min(closed, default=None),)])
            case seasons._CLOSE:
                *name, tie, actors, digest, closed_at = parameters
                self._work.frozen[tuple(name)] = Frozen(tie, actors, digest, closed_at, self.call, [])
            case seasons._COPY:
                for *name, place, rank, actor, score in parameters:
                    lines = self._work.frozen[tuple(name)].lines
                    assert place == len(lines) + 1
                    lines.append((rank, actor, score))
            case _:
                # What a login may do, and does: `SET ROLE`, once it knows that it may.
                return Answer([(True,)]) if "ROLE" in statement or "pg_has_role" in statement else None
        return Answer()

    def _caused(self, tenant: str, event_id: str, source: str, actor: str) -> list[tuple[Any, ...]]:
        wanted = (tenant, event_id, source, actor)
        rows = [row for row in self._database.transfers.values() if wanted == _whose(row)]
        rows.sort(key=lambda row: (row.seq, row.leg))
        return [(r.event_type, r.occurred_at, r.debit_account, r.credit_account, r.amount, r.currency) for r in rows]

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

    async def _lock(self, row: Hashable) -> None:
        """Wait until no other session holds a row, and hold it until the transaction ends."""
        locks = self._database.locks
        for _ in range(_LOCK_TRIES):
            holder = locks.get(row)
            if holder is None or holder is self:
                locks[row] = self
                return
            stopped_at = holder.process.stopped_at
            if stopped_at is not None and asyncio.get_running_loop().time() - stopped_at > _IDLE_S:
                holder.lose()
            await asyncio.sleep(_LOCK_POLL_S)
        raise errors.LockNotAvailable("another session holds the row")

    def _release(self) -> None:
        locks = self._database.locks
        for row in [each for each, holder in locks.items() if holder is self]:
            del locks[row]
        self._work = Transaction()


def _whose(row: Row) -> tuple[str, str, str, str]:
    return row.tenant, row.event_id, row.event_source, row.actor


def _totals(parameters: Mapping[str, Any]) -> dict[tuple[int, str, str, str], tuple[int, int]]:
    debits, credits_ = (_numbers(parameters[name]) for name in ("debits", "credits"))
    names: Sequence[Sequence[str]] = [parameters[name] for name in ("tenants", "accounts", "currencies")]
    return {
        (parameters["partition"], tenant, account, currency): (debit, credit)
        for tenant, account, currency, debit, credit in zip(*names, debits, credits_, strict=True)
    }


def _numbers(array: str) -> list[int]:
    return [int(each) for each in array.strip("{}").split(",")]
