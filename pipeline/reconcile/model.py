"""What a reconciliation says: what was compared, and what differs, with the events behind it."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Compared = Literal["profile and ledger", "board and transactions", "board and ledger"]
"""What was compared with what: a row of a leaderboard with the transactions of the log, or with the ledger."""


class BalanceKey(NamedTuple):
    """An actor's balance in one currency."""

    actor: str
    currency: str


class RowKey(NamedTuple):
    """An actor's score in one window of a leaderboard; `split` is empty where there is none."""

    board: str
    window: str
    split: str
    actor: str


class Movement(NamedTuple):
    """What an event brought, or took if the amount is negative."""

    seq: int
    source: str
    id: str
    type: str
    amount: int


class Behind(NamedTuple):
    """An event behind a difference, and what is the matter with it."""

    why: Literal["only in the ledger", "only in transactions", "not in the table", "among the last"]
    event: Movement


class Difference(NamedTuple):
    """A table that says something else than the record.

    `stated` is the table's amount as of the event `seq` of `partition` in `events`, `recorded` the sum of what the
    record has up to there; events that are not in the table come after it.
    """

    compared: Compared
    actor: str
    of: str
    stated: int
    recorded: int
    partition: int
    seq: int
    events: tuple[Behind, ...]


@dataclass(slots=True)
class Reconciliation:
    """What was compared; it holds if no difference was found.

    `older` rows were not compared with the log, which no longer has all that counts in them. `on_their_way` balances
    and rows had to be looked at a second time.
    """

    profiles: int = 0
    balances: int = 0
    rows: int = 0
    older: int = 0
    on_their_way: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences
