"""Batches on their way into the ledger: what is new of each, and the rows and statements that it becomes."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sinks.ledger import statements
from sinks.ledger.posting import Posting
from sinks.ledger.rows import GENESIS, AccountKey, Rows


class Batch(NamedTuple):
    """Transactions of one partition, in the order of the log, and when they are recorded."""

    partition: int
    postings: Sequence[Posting]
    recorded_at: datetime


class Applied(NamedTuple):
    """What became of a batch: transactions and transfers committed now, and transactions that had been before."""

    transactions: int
    transfers: int
    repeated: int


class Part:
    """A batch in a transaction: what is new of it, and the rows that it becomes."""

    def __init__(self, batch: Batch) -> None:
        self.number = batch.partition
        self.recorded_at = batch.recorded_at
        self.rising = _rising(batch.postings)
        self._given = len(batch.postings)
        self.begin(-1, GENESIS)

    def begin(self, reached: int, previous: bytes) -> None:
        """Leave out what the ledger has, and go on from the partition's last link."""
        self.reached = max(reached, self.rising[-1].seq) if self.rising else reached
        self.previous = previous
        self.new = self.rising[bisect_right(self.rising, reached, key=_seq) :]
        self.rows = Rows(self.number, self.recorded_at, previous)

    def applied(self) -> Applied:
        """Return what became of the batch, once its transaction is committed."""
        return Applied(len(self.new), self.rows.count, self._given - len(self.new))

    def changes(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield the statements that bring the rows' totals to their accounts, each touched in one of them."""
        debits, credits_ = self.rows.debits, self.rows.credits
        losing = [key for key in debits if key[1].startswith("actor:") and debits[key] > credits_.get(key, 0)]
        if losing:
            yield statements.TAKE_FROM_BALANCES, self._touched(losing)
        gaining = list((debits | credits_).keys() - set(losing))
        if gaining:
            yield statements.ADD_TO_BALANCES, self._touched(gaining)

    def _touched(self, keys: list[AccountKey]) -> dict[str, Any]:
        # In the order of the index: neighbours share its pages.
        tenants, accounts, currencies = (list(column) for column in zip(*sorted(keys), strict=True))
        keys = sorted(keys)
        return {
            "partition": self.number,
            "tenants": tenants,
            "accounts": accounts,
            "currencies": currencies,
            "debits": f"{{{','.join(str(self.rows.debits.get(key, 0)) for key in keys)}}}",
            "credits": f"{{{','.join(str(self.rows.credits.get(key, 0)) for key in keys)}}}",
        }

    def __str__(self) -> str:
        """Name the place, for errors."""
        return f"partition {self.number}, sequences {self.rising[0].seq} to {self.rising[-1].seq}"


def _rising(batch: Sequence[Posting]) -> list[Posting]:
    """Leave out postings that do not rise: match, started again, emits once more what it had emitted before its end."""
    rising: list[Posting] = []
    reached = -1
    for posting in batch:
        if posting.seq > reached:
            rising.append(posting)
            reached = posting.seq
    return rising


def _seq(posting: Posting) -> int:
    return posting.seq
