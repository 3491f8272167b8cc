"""The events behind differences: looked up once it is known whose they are."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from pipeline.events import Transaction
from pipeline.reconcile.model import BalanceKey, Behind, Movement, RowKey
from pipeline.reconcile.reading import Report, TopicReading
from pipeline.reconcile.records import Transactions, balance_of, earned, scores
from pipeline.reconcile.tally import Gap
from sinks.ledger.connection import reading
from sinks.ledger.queries import Filters, MovementRow, TransferRow, transfers

# Where the record agrees with itself nothing points to one event: the last ones are shown.
_SHOWN = 5

Movements = dict[int, Movement]
"""By sequence."""


class Evidence:
    """What the ledger and the log have about some actors of a tenant."""

    def __init__(self, actors: Collection[str]) -> None:
        """Know nothing yet."""
        self._actors = actors
        self._ledger: dict[BalanceKey, Movements] = defaultdict(dict)
        self._earned: dict[BalanceKey, Movements] = defaultdict(dict)
        self._log: dict[BalanceKey, Movements] = defaultdict(dict)
        self._scores: dict[RowKey, Movements] = defaultdict(dict)
        self._log_from: dict[int, int] = {}  # by partition: the first sequence that the log still has

    def take_transfer(self, row: TransferRow) -> None:
        """Take a transfer of the ledger."""
        moved = _movement_row(row)
        event = (row.seq, row.event_source, row.event_id, row.event_type)
        if (balance := balance_of(moved)) is not None:
            _add(self._ledger[balance[0]], Movement(*event, balance[1]))
        if amount := earned(moved):
            _add(self._earned[BalanceKey(row.actor, row.currency)], Movement(*event, amount))

    def take_transaction(self, partition: int, seq: int, transaction: Transaction) -> None:
        """Take a transaction of the log."""
        self._log_from.setdefault(partition, seq)
        if transaction.actor not in self._actors:
            return
        event = (seq, transaction.event_source, transaction.event_id, transaction.event_type)
        for each in transaction.transfers:
            row = MovementRow(
                partition, seq, transaction.actor, each.debit_account, each.credit_account, each.currency, each.amount
            )
            if (balance := balance_of(row)) is not None:
                _add(self._log[balance[0]], Movement(*event, balance[1]))
        for key, points in scores(transaction):
            _add(self._scores[key], Movement(*event, points))

    def behind_balance(self, key: BalanceKey, gap: Gap, partition: int) -> tuple[Behind, ...]:
        """Return the events behind a profile that differs from the ledger."""
        ledger, log = self._ledger[key], self._log[key]
        first = self._log_from.get(partition)
        ours = {seq: each for seq, each in ledger.items() if first is not None and seq >= first}
        found = [*_only("only in the ledger", ours, log), *_only("only in transactions", log, ours)]
        return (*found, *_missed(ledger, gap)) or _last(ledger)

    def behind_score(self, key: RowKey, gap: Gap) -> tuple[Behind, ...]:
        """Return the events behind a row of a leaderboard that differs from the log."""
        return _missed(self._scores[key], gap) or _last(self._scores[key])

    def behind_earned(self, key: RowKey, currency: str, gap: Gap) -> tuple[Behind, ...]:
        """Return the events behind a row of a leaderboard that differs from the ledger."""
        ledger, log = self._earned[BalanceKey(key.actor, currency)], self._scores[key]
        first = min(log, default=None)
        ours = {seq: each for seq, each in ledger.items() if first is not None and seq >= first}
        found = [*_only("only in the ledger", ours, log), *_only("only in transactions", log, ours)]
        return (*found, *_missed(ledger, gap)) or _last(ledger)


async def gather(
    broker: str, topic: str, database: str, tenant: str, actors: Collection[str], report: Report
) -> Evidence:
    """Look up everything about these actors; `topic` is the full name of the transactions.

    Raises:
        UserError: the ledger or the topic is missing.
        TransientError: the broker is away.
    """
    evidence = Evidence(actors)
    with reading(database) as connection:
        for actor in sorted(actors):
            for row in transfers(connection, tenant, Filters(actor=actor), None):
                evidence.take_transfer(row)
    transactions = Transactions(tenant, evidence.take_transaction)
    await TopicReading(broker, topic).read_on(transactions.read, report)
    return evidence


def _movement_row(row: TransferRow) -> MovementRow:
    return MovementRow(
        row.partition, row.seq, row.actor, row.debit_account, row.credit_account, row.currency, row.amount
    )


def _add(movements: Movements, movement: Movement) -> None:
    """Add what another leg of the same event moved."""
    known = movements.get(movement.seq)
    movements[movement.seq] = movement if known is None else known._replace(amount=known.amount + movement.amount)


def _only(
    why: Literal["only in the ledger", "only in transactions"], here: Movements, there: Mapping[int, Movement]
) -> Iterable[Behind]:
    """Yield what stands here and not there, or not the same."""
    for seq, movement in sorted(here.items()):
        if movement != there.get(seq):
            yield Behind(why, movement)


def _missed(movements: Movements, gap: Gap) -> tuple[Behind, ...]:
    return tuple(Behind("not in the table", movements[seq]) for seq in sorted(set(gap.later)) if seq in movements)


def _last(movements: Movements) -> tuple[Behind, ...]:
    return tuple(Behind("among the last", movements[seq]) for seq in sorted(movements)[-_SHOWN:])
