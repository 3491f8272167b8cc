"""What the sink copies into the table of transfers, read back from its bytes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sinks.ledger.rows import COLUMNS, COPY_END, COPY_HEADER

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's


class Row(NamedTuple):
    """A transfer as it stands in the table, its numbers and texts read."""

    partition: int
    seq: int
    leg: int
    id: bytes
    amount: int
    revision: int
    occurred_at: datetime
    tenant: str
    actor: str
    event_source: str
    event_id: str
    event_type: str
    debit_account: str
    credit_account: str
    currency: str
    kind: str
    cause: str


_NUMBERS = frozenset({"partition", "seq", "leg", "amount", "revision", "occurred_at"})


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
    read["occurred_at"] = _EPOCH + timedelta(microseconds=read["occurred_at"])
    return Row(**read)
