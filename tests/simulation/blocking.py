"""A blocking connection to the database in memory, as those use it who freeze the standing of a season."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from tests.simulation.session import Answer, MemoryConnection, connect
from tests.simulation.threads import wait_for

if TYPE_CHECKING:
    from tests.simulation.closing import Call


def connect_blocking(call: "Call") -> "BlockingConnection":
    """Open a connection for what a process does in a thread."""
    return BlockingConnection(wait_for(connect(call.outside.database, call.host.process, call)))


class BlockingConnection:
    """A session, as psycopg has it: left in good order it commits, else it is rolled back."""

    def __init__(self, session: MemoryConnection) -> None:
        self._session = session
        self.info = SimpleNamespace(server_version=170_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.execute("COMMIT")
        finally:
            process = self._session.process
            if process.dead:  # the server sees it after a while
                asyncio.get_running_loop().call_later(process.chance.random(), self._session.lose)
            else:
                self._session.lose()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "_Rows":
        return _Rows(wait_for(self._answer(statement, parameters)))

    async def _answer(self, statement: str, parameters: Sequence[Any]) -> Answer:
        await self._session.process.latency()
        return await self._session.execute(statement, parameters)

    @contextmanager
    def cursor(self) -> "Iterator[BlockingConnection]":
        yield self

    @contextmanager
    def copy(self, statement: str) -> "Iterator[_Copy]":
        copied = _Copy()
        yield copied
        self.execute(statement, copied.rows)


class _Rows:
    """What a statement returned."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._answer.rows[0] if self._answer.rows else None


class _Copy:
    """The rows of a COPY."""

    def __init__(self) -> None:
        self.rows: list[Sequence[Any]] = []

    def write_row(self, row: Sequence[Any]) -> None:
        self.rows.append(row)
