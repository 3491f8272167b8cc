"""The stage `leaderboards`: transactions in, rows and order out."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.leaderboards import LeaderboardsStage
from pipeline.errors import Reason
from pipeline.events import Score, encode_json
from pipeline.recordbatch.model import Effects, Run
from tables import board_batch
from tables.board_shards import BoardName, BoardShards
from tables.boards import decode_expiry, expiry_key
from tables.order_index import START, Place, read_place
from tests.builders import INSTANT, score, transaction
from tests.memory import MemoryRecord, MemoryTable, sequenced, step

DEAD_LETTERS = "t.dead-letters"
FACTS = "t.facts"
WEEKLY = BoardName("acme", "weekly")
FIRST_DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Worker:
    """A leaderboards stage with one partition, in memory."""

    def __init__(self, table: MemoryTable | None = None, windows_kept: int = 2) -> None:
        self.shards = BoardShards()
        self.table = table or MemoryTable()
        self.stage = LeaderboardsStage(
            facts=FACTS, dead_letters=DEAD_LETTERS, windows_kept=windows_kept, shards=self.shards
        )
        self.stage.partition_opened(0, {"boards": self.table})

    def run(self, *records: MemoryRecord) -> dict[str, int]:
        """Process a run and return what was counted."""
        self.effects = step(self.stage, records, {"boards": self.table})
        return self.effects.counts

    def standings(self, window: str = "2026-11-16", split: str = "", board: BoardName = WEEKLY) -> list[Place]:
        """Return the order of a window."""
        return [read_place(place) for place in self.shards[0].order(board, window, split).page(START, 1_000)]

    def windows(self) -> list[str]:
        """Return the windows that have rows."""
        return sorted({key.split(b"\0")[2].decode() for key in self.table.rows} - {""})


def scored(seq: int, *scores: Score, actor: str = "ada", at: datetime = INSTANT) -> MemoryRecord:
    """Return a transaction with scores."""
    return sequenced(encode_json(transaction(actor=actor, scores=scores or (score(),), occurred_at=at)), seq)


def on_day(seq: int, number: int, actor: str = "ada") -> MemoryRecord:
    """Return a transaction that brings 10 points to the daily board's day of that number."""
    at = FIRST_DAY + timedelta(days=number)
    return scored(seq, score(window=at.date().isoformat()), actor=actor, at=at)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (MemoryRecord(b"{}", headers=(("plaudit-seq", b"1"),)), "tenant"),
        (MemoryRecord(b"\xff", headers=(("plaudit-seq", b"1"),)), "not a transaction"),
        (MemoryRecord(b"[" * 100_000, headers=(("plaudit-seq", b"1"),)), "not a transaction"),
        (MemoryRecord(None, headers=(("plaudit-seq", b"1"),)), "empty"),
        (MemoryRecord(encode_json(transaction(scores=(score(),)))), "plaudit-seq"),
        (MemoryRecord(encode_json(transaction(scores=(score(),))), headers=(("plaudit-seq", b"-1"),)), "plaudit-seq"),
        (scored(1, score(window="yesterday")), "impossible key"),
        (scored(1, score(split="a\0b")), "impossible key"),
        (scored(1, at=datetime(2026, 1, 1)), "not a transaction"),  # noqa: DTZ001  # no zone: the point of the case
    ],
)
def test_bad_record_becomes_a_dead_letter_and_its_neighbours_count(record: MemoryRecord, message: str) -> None:
    """One record that can't be read spoils nothing but itself."""
    worker = Worker()

    counts = worker.run(record, scored(2))

    assert counts == {Reason.INVALID_RECORD: 1, "accepted": 1}
    [letter] = worker.effects.outputs[DEAD_LETTERS, 0]
    assert letter.value == record.value
    assert message in dict(letter.headers)["plaudit-message"].decode()
    assert [place.actor for place in worker.standings()] == ["ada"]


def test_score_beyond_its_range_refuses_the_whole_transaction() -> None:
    """Either all scores of an event count or none."""
    worker = Worker()

    counts = worker.run(
        scored(1, score(board="other"), score(points=2**63 - 1)), scored(2, score(board="third"), score())
    )

    assert counts == {"accepted": 1, Reason.AMOUNT_OUT_OF_RANGE: 1}
    assert worker.standings(board=BoardName("acme", "third")) == []


def test_transactions_add_up_in_a_batch_and_over_batches() -> None:
    """A score is the sum of what came, whichever way the records were cut into runs."""
    worker = Worker()

    worker.run(scored(1), scored(2, actor="bob"), scored(3, score(points=5)))
    worker.run(scored(4, score(points=-2), at=INSTANT + timedelta(hours=1)))

    assert [(place.actor, place.score) for place in worker.standings()] == [("ada", 13), ("bob", 10)]


def test_redelivered_run_changes_nothing() -> None:
    """The last sequence of each row absorbs a repeat, also when it is cut differently."""
    worker = Worker()
    worker.run(scored(1), scored(2))
    rows = dict(worker.table.rows)

    counts = worker.run(scored(1), scored(2), scored(3, score(board="other")))

    assert counts == {"redelivered": 2, "accepted": 1}
    assert rows.items() <= worker.table.rows.items()
    assert [place.score for place in worker.standings()] == [20]


def test_run_computed_again_after_a_failure_is_the_same() -> None:
    """A batch whose effects failed leaves no trace in memory."""
    worker = Worker()
    run = [on_day(seq, seq) for seq in range(1, 6)]
    tables = {"boards": worker.table}

    first = worker.stage.process(Run("source", 0, run), dict(tables))
    counts = worker.run(*run)

    assert worker.effects == first
    assert counts == {"accepted": 5}


def test_two_scores_for_one_row_both_count() -> None:
    """One event may bring two contributions to the same board."""
    worker = Worker()

    worker.run(scored(1, score(points=3), score(points=4)))

    assert [place.score for place in worker.standings()] == [7]


def test_splits_are_boards_of_their_own() -> None:
    """Scores of one split do not show in another."""
    worker = Worker()

    worker.run(scored(1, score(split="north")), scored(2, score(split="south"), actor="bob"))

    assert [place.actor for place in worker.standings(split="north")] == ["ada"]
    assert worker.standings() == []


def test_oldest_window_expires_when_more_than_the_kept_ones_are_seen() -> None:
    """The newest window and the kept closed ones stay; the row of an expired one is deleted by the next batch."""
    worker = Worker(windows_kept=2)

    worker.run(*(on_day(seq, seq) for seq in range(1, 5)))
    worker.run(on_day(10, 4))

    assert worker.windows() == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert worker.standings("2026-01-02") == []
    assert decode_expiry(worker.table.rows[expiry_key("acme", "weekly")]).through == "2026-01-02"


def test_late_event_corrects_a_kept_window() -> None:
    """An event counts in the window of its own time as long as that is kept."""
    worker = Worker(windows_kept=2)
    worker.run(*(on_day(seq, seq) for seq in range(1, 4)))

    counts = worker.run(on_day(9, 1))

    assert counts == {"accepted": 1}
    assert [place.score for place in worker.standings("2026-01-02")] == [20]


def test_late_event_for_an_expired_window_is_ignored_and_counted() -> None:
    """A window that has expired stays so: a part of its scores would be a wrong number."""
    worker = Worker(windows_kept=2)
    worker.run(*(on_day(seq, seq) for seq in range(1, 5)))

    counts = worker.run(on_day(9, 1), on_day(10, 0))

    assert counts == {"window_expired": 2}
    assert worker.windows() == ["2026-01-03", "2026-01-04", "2026-01-05"]


def test_expiry_outlives_a_restart_with_more_windows_to_keep() -> None:
    """What has expired does not come back in part when the setting is raised."""
    worker = Worker(windows_kept=2)
    worker.run(*(on_day(seq, seq) for seq in range(1, 5)))

    restarted = Worker(worker.table, windows_kept=50)

    assert restarted.run(on_day(9, 1)) == {"window_expired": 1}
    assert restarted.shards[0].expired_through(WEEKLY) == "2026-01-02"


@pytest.mark.parametrize("cut", range(5))
def test_run_whose_changelog_was_cut_is_finished_by_its_repeat(cut: int) -> None:
    """Wherever the changelog ends: a row of a new window without the expiry that it causes would bring the old back."""
    days = [(FIRST_DAY + timedelta(days=number)).date().isoformat() for number in range(4)]
    run = [on_day(3, 0), on_day(4, 3), on_day(5, 3, actor="bob")]
    whole, dying = Worker(), Worker()
    for worker in (whole, dying):
        worker.run(*(on_day(number, number) for number in range(3)))
    whole.run(*run)

    cut_off = dying.stage.process(Run("source", 0, run), {"boards": dying.table})
    logged = dict(list(cut_off.changes["boards"].items())[:cut])
    dying.table.write(Effects(0, changes={"boards": logged}), "boards")
    recovered = Worker(dying.table)
    recovered.run(*run)

    assert len(cut_off.changes["boards"]) == 4
    assert [recovered.standings(day) for day in days] == [whole.standings(day) for day in days]
    assert whole.standings(days[0]) == []


def test_rows_of_expired_windows_are_deleted_a_bounded_number_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a large window holds up no batch, also over a restart."""
    monkeypatch.setattr(board_batch, "DELETIONS_MAX", 2)
    worker = Worker(windows_kept=1)
    worker.run(*(on_day(seq, 1, actor=f"actor-{seq}") for seq in range(5)))
    worker.run(on_day(10, 2), on_day(11, 3))
    left = []

    for seq in (12, 13, 14):
        worker = Worker(worker.table, windows_kept=1)
        worker.run(on_day(seq, 3))
        left.append(sum(b"2026-01-02" in key.split(b"\0") for key in worker.table.rows))

    assert left == [3, 1, 0]


def test_deletion_outranks_the_row_when_an_old_run_is_delivered_again() -> None:
    """In recovery the higher sequence wins, so a deletion is always above what it deletes."""
    worker = Worker(windows_kept=1)
    worker.run(on_day(100, 1), on_day(101, 2), on_day(102, 3))

    worker.run(on_day(90, 3))

    assert worker.windows() == ["2026-01-03", "2026-01-04"]


def test_order_is_rebuilt_from_the_rows() -> None:
    """A worker that takes a partition over answers as the one before it did."""
    worker = Worker()
    worker.run(scored(1), scored(2, score(points=12), actor="bob"), scored(3, score(split="north")), on_day(4, 7))

    restarted = Worker(worker.table)

    for window, split in (("2026-11-16", ""), ("2026-11-16", "north"), ("2026-01-08", "")):
        assert restarted.standings(window, split) == worker.standings(window, split) != []


def test_closed_partition_is_forgotten() -> None:
    """A partition that was taken away is not answered from."""
    worker = Worker()
    worker.stage.partition_closed(0)

    with pytest.raises(KeyError):
        worker.shards[0]
