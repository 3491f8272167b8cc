"""Compares a tenant's profiles, ledger and leaderboards while the system goes on.

Tables are read before the record, so that the record has all that they have: outputs are produced before state
changes, and in between it is waited until what was appended is in the ledger. A table states its amounts as of an
event, and is compared with the record's sum up to that event, so traffic makes no difference. What the record has after
it may be on its way. If there is any such thing, it is waited for once more: then all that the record had before the
wait must be in the tables, and what is not is a difference.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from pipeline.drain import drain
from pipeline.economies import read_histories
from pipeline.errors import TransientError, UserError
from pipeline.events import Transaction, actor_key, from_millis
from pipeline.partitioner import partitioner
from pipeline.reconcile.evidence import gather
from pipeline.reconcile.model import BalanceKey, Behind, Compared, Difference, Reconciliation, RowKey
from pipeline.reconcile.reading import TopicReading
from pipeline.reconcile.records import Transactions, balance_of, earned, lasting_boards, scores
from pipeline.reconcile.tables import BoardStates, ProfileStates
from pipeline.reconcile.tally import Gap, Tally, settled
from pipeline.revisions.documents import compile_document
from pipeline.topology import BOARDS, LEADERBOARDS, MATCH, PROFILES, TRANSACTIONS, changelog_name, topic_name
from rules.economy import Economy
from rules.periods import ALL
from sinks.ledger.connection import reading
from sinks.ledger.queries import movements

Report = Callable[[str, int, int], None]
"""Told what is being done, how many records of it are done, and of about how many."""

_REPORT_EVERY_ROWS = 20_000
# Days between the oldest record of the log and the first window that can't have begun before it, wherever on Earth.
_MARGIN_DAYS = 2


class Reconciler:
    """One comparison of one tenant. Holds a line for each balance and each row in memory."""

    def __init__(self, broker: str, prefix: str, database: str, tenant: str, report: Report) -> None:
        """Prepare; nothing is asked yet."""
        self._broker, self._prefix, self._database, self._tenant = broker, prefix, database, tenant
        self._report = report
        self._partition_of = partitioner(1)  # until the log says how many there are
        self._profiles, self._rows = ProfileStates(tenant), BoardStates(tenant)
        self._changelogs = {
            PROFILES.name: TopicReading(broker, changelog_name(prefix, MATCH, PROFILES)),
            BOARDS.name: TopicReading(broker, changelog_name(prefix, LEADERBOARDS, BOARDS)),
        }
        self._log = TopicReading(broker, topic_name(prefix, TRANSACTIONS))
        self._transactions = Transactions(tenant, self._scored)
        self._balances: Tally[BalanceKey] = Tally()
        self._scores: Tally[RowKey] = Tally()
        self._earned: Tally[RowKey] = Tally()
        self._lasting: dict[str, list[str]] = {}
        self._ledger_read: dict[int, int] = {}
        self._deadline = 0.0

    async def run(self, timeout_s: float) -> Reconciliation:
        """Compare, waiting at most `timeout_s` seconds in all for what is on its way.

        Raises:
            UserError: nothing is known of the tenant, a topic or the ledger is missing.
            TransientError: the broker is away, or a stage is so far behind that nothing can be said.
        """
        self._deadline = time.monotonic() + timeout_s
        economies = await self._economies()
        self._lasting = lasting_boards(economies)
        await self._read()
        balances, scored, earned_ = self._gaps()
        rows = self._rows.rows()
        result = Reconciliation(len(self._profiles), len(self._profiles.balances()), len(rows))
        result.older = sum(not self._covered(key) for key in rows)
        if not economies and not result.profiles and not balances:
            raise UserError(f"nothing is known of a tenant {self._tenant!r}: no economy, no profile, no transfer")
        if balances or scored or earned_:
            result.on_their_way = len(balances) + len(scored) + len(earned_)
            await self._drained()
            await self._read()
            again = self._gaps()
            result.differences = await self._explained(
                settled(again[0], balances), settled(again[1], scored), settled(again[2], earned_)
            )
        return result

    async def _economies(self) -> list[Economy]:
        history = (await read_histories(self._broker, self._prefix)).get(self._tenant)
        revisions = () if history is None else history.revisions
        return [compile_document(bytes(each.document), each.revision, 0) for each in revisions]

    async def _read(self) -> None:
        """Read tables, wait until the record has what they have, and read the record on."""
        for name, states in ((PROFILES.name, self._profiles), (BOARDS.name, self._rows)):
            await self._changelogs[name].read_on(states.snapshot.take, self._reporting(name))
            states.refresh()
        await self._drained()
        self._read_ledger()
        await self._log.read_on(self._transactions.read, self._reporting(TRANSACTIONS.name))
        self._partition_of = partitioner(len(self._log.starts))

    async def _drained(self) -> None:
        left_s = max(0.0, self._deadline - time.monotonic())
        behind = await drain(
            self._broker, self._prefix, left_s, lambda stage, left: self._report(f"waiting for {stage}", 0, left)
        )
        if behind:
            stages = ", ".join(f"{each.stage} ({sum(each.records.values())} records)" for each in behind)
            raise TransientError(f"what is on its way did not arrive in time: {stages} behind")

    def _read_ledger(self) -> None:
        read = dict(self._ledger_read)
        with reading(self._database) as connection:
            for number, row in enumerate(movements(connection, self._tenant, self._ledger_read)):
                read[row.partition] = max(row.seq, read.get(row.partition, -1))
                if (moved := balance_of(row)) is not None:
                    key, amount = moved
                    self._balances.add(key, row.seq, amount, self._profiles.stated(key))
                for board in self._lasting.get(row.currency, ()):
                    place = RowKey(board, ALL, "", row.actor)
                    self._earned.add(place, row.seq, earned(row), self._rows.stated(place))
                if number % _REPORT_EVERY_ROWS == 0:
                    self._report("ledger", number, number)
        self._ledger_read = read

    def _scored(self, partition: int, seq: int, transaction: Transaction) -> None:
        for key, points in scores(transaction):
            self._scores.add(key, seq, points, self._rows.stated(key))

    def _gaps(self) -> tuple[dict[BalanceKey, Gap], dict[RowKey, Gap], dict[RowKey, Gap]]:
        profiles, rows = self._profiles, self._rows
        lasting = {board for boards in self._lasting.values() for board in boards}
        forever = [key for key in rows.rows() if key.board in lasting and not key.split]
        return (
            dict(self._balances.gaps(profiles.balances(), profiles.stated)),
            {key: gap for key, gap in self._scores.gaps(rows.rows(), rows.stated) if self._comparable(key)},
            dict(self._earned.gaps(forever, rows.stated)),
        )

    def _comparable(self, key: RowKey) -> bool:
        return self._covered(key) and not self._rows.expired(self._home(key.actor), key)

    def _covered(self, key: RowKey) -> bool:
        """Return whether the log still has everything that can count in a row."""
        home = self._home(key.actor)
        if not self._log.starts.get(home):
            return True
        since = self._transactions.since_ms.get(home)
        if since is None or key.window == ALL:
            return False
        return key.window >= (from_millis(since) + timedelta(days=_MARGIN_DAYS)).date().isoformat()

    async def _explained(
        self, balances: Mapping[BalanceKey, Gap], scored: Mapping[RowKey, Gap], earned_: Mapping[RowKey, Gap]
    ) -> list[Difference]:
        """Return the differences with the events behind them."""
        actors = {key.actor for gaps in (balances, scored, earned_) for key in gaps}
        if not actors:
            return []
        topic = topic_name(self._prefix, TRANSACTIONS)
        report = self._reporting("events behind differences")
        evidence = await gather(self._broker, topic, self._database, self._tenant, actors, report)
        currencies = {board: currency for currency, boards in self._lasting.items() for board in boards}
        found = []
        for balance, gap in sorted(balances.items()):
            events = evidence.behind_balance(balance, gap, self._home(balance.actor))
            found.append(self._difference("profile and ledger", balance.actor, balance.currency, gap, events))
        for row, gap in sorted(scored.items()):
            events = evidence.behind_score(row, gap)
            found.append(self._difference("board and transactions", row.actor, _named(row), gap, events))
        for row, gap in sorted(earned_.items()):
            events = evidence.behind_earned(row, currencies[row.board], gap)
            found.append(self._difference("board and ledger", row.actor, _named(row), gap, events))
        return found

    def _difference(self, table: Compared, actor: str, of: str, gap: Gap, events: tuple[Behind, ...]) -> Difference:
        seq, amount = gap.stated
        return Difference(table, actor, of, amount, gap.recorded, self._home(actor), seq, events)

    def _home(self, actor: str) -> int:
        return self._partition_of(actor_key(self._tenant, actor))

    def _reporting(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._report(what, done, total)


def _named(row: RowKey) -> str:
    return f"{row.board} {row.window}" + (f" {row.split}" if row.split else "")
