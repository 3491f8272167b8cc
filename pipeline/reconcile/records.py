"""What the record says: transfers of the ledger, and transactions of the log, as movements of balances and scores."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from aiokafka import ConsumerRecord

from pipeline.events import APPENDED_HEADER, SEQ_HEADER, Transaction, actor_key, decode_transaction, header
from pipeline.reconcile.model import BalanceKey, RowKey
from rules.decision import ADJUSTED, ISSUED, actor_account
from rules.economy import Economy
from rules.periods import ALL
from sinks.ledger.queries import MovementRow

_EARNED_FROM = frozenset((ISSUED, ADJUSTED))


def balance_of(row: MovementRow) -> tuple[BalanceKey, int] | None:
    """Return whose balance a transfer changes, and by how much; None if it is no actor's."""
    account = actor_account(row.actor)
    if row.credit_account == account:
        return BalanceKey(row.actor, row.currency), row.amount
    if row.debit_account == account:
        return BalanceKey(row.actor, row.currency), -row.amount
    return None


def earned(row: MovementRow) -> int:
    """Return what a transfer counts on the leaderboards of its currency."""
    if row.debit_account in _EARNED_FROM:
        return row.amount
    return -row.amount if row.credit_account in _EARNED_FROM else 0


def lasting_boards(economies: Sequence[Economy]) -> dict[str, list[str]]:
    """Return, by currency, the boards whose scores the ledger alone explains; `economies` are all revisions so far.

    They count one currency for all time, without a split, and have done so since the first revision, which must be
    known.
    """
    if not economies or economies[0].revision != 1:
        return {}
    boards: dict[str, list[str]] = {}
    for board in economies[0].boards.values():
        found = [economy.boards.get(board.id) for economy in economies]
        if board.currency is not None and all(
            each is not None and (each.currency, each.window, each.split) == (board.currency, ALL, None)
            for each in found
        ):
            boards.setdefault(board.currency, []).append(board.id)
    return boards


class Transactions:
    """The tenant's transactions as they are read from the log; repeats of a sequence are left out."""

    def __init__(self, tenant: str, take: Callable[[int, int, Transaction], None]) -> None:
        """Give each transaction, with its partition and sequence, to `take`."""
        self.since_ms: dict[int, int] = {}  # by partition: when the event of the oldest that is there was appended
        self._start = actor_key(tenant, "")
        self._take = take
        self._highest: dict[int, int] = {}

    def read(self, partition: int, records: Iterable[ConsumerRecord]) -> None:
        """Read the next records of a partition. What can't be read, no stage could either: it is a dead letter."""
        for record in records:
            if partition not in self.since_ms:
                appended = header(record.headers, APPENDED_HEADER)
                known = appended is not None and appended.isdigit()
                self.since_ms[partition] = int(appended or b"") if known else record.timestamp
            seq = header(record.headers, SEQ_HEADER)
            if seq is None or not seq.isdigit() or int(seq) <= self._highest.get(partition, -1):
                continue
            self._highest[partition] = int(seq)
            if record.key is None or record.value is None or not record.key.startswith(self._start):
                continue
            try:
                transaction = decode_transaction(record.value)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
            self._take(partition, int(seq), transaction)


def scores(transaction: Transaction) -> Iterable[tuple[RowKey, int]]:
    """Return the rows that a transaction counts in, and how much."""
    for score in transaction.scores:
        yield RowKey(score.board, score.window, score.split or "", transaction.actor), score.points
