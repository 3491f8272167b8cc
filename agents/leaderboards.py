"""The stage `leaderboards`: folds the scores of transactions into the table `boards` and its order in memory.

It tells of personal bests; of ranks, which follow from the shards of all workers, `web.rank_watch` tells.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec

from agents.personal_bests import personal_best
from pipeline.errors import PoisonEvent, Reason
from pipeline.events import (
    APPENDED_HEADER,
    SEQ_HEADER,
    TRACE_HEADER,
    Score,
    actor_key,
    encode_json,
    header,
    micros,
)
from pipeline.recordbatch.model import Effects, Record, Run, StageCore, TableView
from pipeline.topology import BOARDS, LEADERBOARDS
from rules.periods import ALL
from sinks.dead_letters import dead_letter
from tables.board_batch import BoardBatch, Contribution, Target
from tables.board_shards import BoardName, BoardShard, BoardShards
from tables.boards import board_key, is_board_key
from tables.personal_bests import Beaten, bests_prefix


class ScoredTransaction(msgspec.Struct, frozen=True, gc=False):
    """The part of a `Transaction` that leaderboards need; transfers are skipped without being decoded."""

    tenant: str
    actor: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    scores: tuple[Score, ...] = ()


# The headers that say where in the log something comes from.
_PLACE = frozenset({SEQ_HEADER, APPENDED_HEADER, TRACE_HEADER})
# A record that could be read: the record, its sequence, the tenant, the event's time in microseconds, what it brings.
# A plain tuple, since one is made for every event.
_Scored = tuple[Record, int, str, int, Sequence[Contribution]]


class LeaderboardsStage(StageCore):
    """Keeps the scores of every window, and of each board the newest `windows_kept` + 1 windows.

    Which windows a shard keeps follows from its own records alone: once it has seen more windows of a board than it
    keeps, the oldest expires for good. A late event for a window that is kept corrects it; one for an expired window is
    ignored there and counted as `window_expired`.
    """

    def __init__(self, *, facts: str, dead_letters: str, windows_kept: int, shards: BoardShards) -> None:
        """Keep the order of the boards in `shards`; `facts` and `dead_letters` are the full names of those topics."""
        self._facts = facts
        self._dead_letters = dead_letters
        self._windows_kept = windows_kept
        self._shards = shards
        self._batches: dict[int, BoardBatch] = {}

    def partition_opened(self, partition: int, tables: dict[str, TableView]) -> None:
        """Rebuild the partition's order from its rows."""
        self._shards.open(partition, BoardShard.recovered(tables[BOARDS.name]))

    def partition_closed(self, partition: int) -> None:
        """Forget the partition's order."""
        self._shards.close(partition)
        self._batches.pop(partition, None)

    def process(self, run: Run, tables: dict[str, TableView]) -> Effects:
        """Fold the scores of a run's transactions into their rows."""
        effects, targets = Effects(run.partition), Targets()
        scored = list(self._readable(run, effects, targets))
        batch = BoardBatch(self._shards[run.partition], self._windows_kept, tables[BOARDS.name])
        # In the order of the log, so that a run's changelog records have one order, whoever computes it.
        batch.read(contributions for *_, contributions in scored)
        outcomes: dict[str, int] = {}
        for record, seq, tenant, event_time, contributions in scored:
            try:
                outcome = batch.add(contributions, event_time, seq)
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            except PoisonEvent as poison:
                self._refuse(effects, run, record, poison, tenant)
            if batch.beaten:
                self._tell(effects, record, event_time, batch.beaten)
        for outcome, number in outcomes.items():
            effects.count(outcome, number)
        batch.finish(effects)
        self._batches[run.partition] = batch
        return effects

    def applied(self, run: Run, effects: Effects) -> None:
        """Bring the order in memory to where the rows are."""
        self._batches.pop(run.partition).apply()

    def _readable(self, run: Run, effects: Effects, targets: "Targets") -> Iterator[_Scored]:
        for record in run.records:
            tenant = None
            try:
                seq, transaction = _sequence(record), _transaction(record)
                tenant = transaction.tenant
                yield record, seq, tenant, micros(transaction.occurred_at), targets.contributions(transaction)
            except PoisonEvent as poison:
                self._refuse(effects, run, record, poison, tenant)

    def _tell(self, effects: Effects, record: Record, event_time: int, beaten: list[Beaten]) -> None:
        """Tell of the personal bests that an event has beaten, under its own place in the log."""
        headers = tuple(pair for pair in record.headers if pair[0] in _PLACE)
        trace = header(headers, TRACE_HEADER)
        for each in beaten:
            fact = personal_best(each, event_time, None if trace is None else trace.decode(errors="replace"))
            effects.emit(self._facts, actor_key(fact.tenant, fact.subject), encode_json(fact), headers)
        beaten.clear()

    def _refuse(self, effects: Effects, run: Run, record: Record, poison: PoisonEvent, tenant: str | None) -> None:
        dead_letter(effects, self._dead_letters, run, record, LEADERBOARDS.name, poison.reason, poison.message, tenant)


_decode = msgspec.json.Decoder(ScoredTransaction).decode


def _sequence(record: Record) -> int:
    text = header(record.headers, SEQ_HEADER)
    if text is None or not text.isdigit():
        raise PoisonEvent(Reason.INVALID_RECORD, f"header {SEQ_HEADER} is missing or no number")
    return int(text)


def _transaction(record: Record) -> ScoredTransaction:
    if record.value is None:
        raise PoisonEvent(Reason.INVALID_RECORD, "the transaction is empty")
    try:
        return _decode(record.value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PoisonEvent(Reason.INVALID_RECORD, f"not a transaction: {error}") from error


class Targets:
    """The windows that a run's scores are for: each is checked once, however many events count in it."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[tuple[str, str, str, str | None, bool], Target] = {}

    def contributions(self, transaction: ScoredTransaction) -> Sequence[Contribution]:
        """Return what a transaction brings, one entry for each row, so that its sequence marks all of it as done.

        Raises:
            PoisonEvent: a score is for no possible row.
        """
        actor = transaction.actor.encode()
        if b"\0" in actor:
            raise PoisonEvent(Reason.INVALID_RECORD, "the actor's name contains a null character")
        tenant, brought = transaction.tenant, []
        for score in transaction.scores:
            name = (tenant, score.board, score.window, score.split, score.personal_best)
            target = self._known.get(name)
            if target is None:
                target = self._known[name] = _target(tenant, score)
            brought.append((target.prefix + actor, target, score.points))
        return brought if len(brought) < 2 else _merged(brought)


def _merged(brought: Sequence[Contribution]) -> Sequence[Contribution]:
    rows: dict[bytes, Contribution] = {}
    for key, target, points in brought:
        rows[key] = (key, target, points + rows[key][2] if key in rows else points)
    return tuple(rows.values())


def _target(tenant: str, score: Score) -> Target:
    board, window = score.board, score.window
    prefix = board_key(tenant, board, window, score.split, "")
    if not is_board_key(prefix) or not _is_window(window):
        raise PoisonEvent(Reason.INVALID_RECORD, f"a score of board {board!r} has an impossible key")
    bests = bests_prefix(tenant, board, score.split) if score.personal_best and window != ALL else None
    return Target(prefix, BoardName(tenant, board), window, bests)


def _is_window(window: str) -> bool:
    if window == ALL:
        return True
    try:
        return date.fromisoformat(window).isoformat() == window
    except ValueError:
        return False
