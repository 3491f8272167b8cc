"""Personal bests on leaderboards: told once, whatever is delivered again and however runs are cut."""

from datetime import timedelta

import pytest

from agents.leaderboards import LeaderboardsStage
from pipeline.events import Event, Score, actor_key, decode_event, derived_headers, encode_json
from pipeline.recordbatch.model import Effects, Output, Run
from rules.document import parse_document, validate
from tables.board_shards import BoardShards
from tests.builders import INSTANT, TENANT, transaction
from tests.memory import MemoryRecord, MemoryTable, sequenced, step

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Worker:
    """A leaderboards stage with one partition, in memory, which keeps three closed windows."""

    def __init__(self, table: MemoryTable | None = None) -> None:
        self.table = table or MemoryTable()
        self.stage = LeaderboardsStage(facts="facts", dead_letters="dead", windows_kept=3, shards=BoardShards())
        self.stage.partition_opened(0, {"boards": self.table})

    def run(self, *records: MemoryRecord) -> list[Output]:
        """Process a run and return the facts."""
        return step(self.stage, records, {"boards": self.table}).outputs.get(("facts", 0), [])


def on_day(seq: int, day: int, points: int, actor: str = "ada", *, split: str | None = None) -> MemoryRecord:
    """Return a transaction that scores on a day of a board that tells of personal bests."""
    at = INSTANT + timedelta(days=day)
    scored = Score(board="daily", window=at.date().isoformat(), points=points, split=split, personal_best=True)
    value = encode_json(transaction(actor=actor, scores=(scored,), transfers=(), occurred_at=at))
    headers = (*derived_headers(seq, 5, TRACE), ("other", b"x"))
    return MemoryRecord(value, seq, key=actor_key(TENANT, actor), headers=headers)


def facts(outputs: list[Output]) -> list[Event]:
    """Return the facts that were emitted."""
    return [decode_event(output.value or b"") for output in outputs]


def said(outputs: list[Output]) -> dict[str, Event]:
    """Return facts by their ids; one that is repeated must say the same."""
    told: dict[str, Event] = {}
    for fact in facts(outputs):
        assert told.setdefault(fact.id, fact) == fact
    return told


def died(table: MemoryTable, records: list[MemoryRecord], cut: int) -> list[Output]:
    """Process a run of which only the first `cut` rows are written; return the facts, which come before any of them."""
    effects = Worker(table).stage.process(Run("source", 0, records), {"boards": table})
    logged = dict(list(effects.changes.get("boards", {}).items())[:cut])
    table.write(Effects(0, changes={"boards": logged}), "boards")
    return effects.outputs.get(("facts", 0), [])


# Days in and out of order, two actors, points taken back, windows that expire, bests beaten in several of them.
HISTORY = [
    on_day(seq, day, points, actor)
    for seq, (actor, day, points) in enumerate(
        [
            *[
                ("ada", 0, 10),
                ("bob", 0, 5),
                ("ada", 1, 4),
                ("ada", 1, 7),
                ("ada", 0, 2),
                ("bob", 1, 6),
                ("ada", 2, 11),
            ],
            *[
                ("ada", 2, 1),
                ("ada", 1, 9),
                ("bob", 3, 9),
                ("bob", 2, 20),
                ("ada", 2, -6),
                ("ada", 3, 21),
                ("ada", 4, 1),
            ],
            *[
                ("bob", 4, 19),
                ("ada", 4, 30),
                ("bob", 5, 21),
                ("ada", 6, 32),
                ("bob", 3, 14),
                ("cid", 6, 1),
                ("cid", 9, 2),
            ],
        ]
    )
]


def test_a_fact_says_what_was_beaten_and_where_it_comes_from() -> None:
    """Under the event's own place in the log, time and trace, to the actor's key."""
    worker = Worker()

    outputs = worker.run(on_day(7, 0, 10, split="red"), on_day(8, 1, 11, split="red"), on_day(9, 1, 50))

    [fact], [output] = facts(outputs), outputs
    assert (fact.type, fact.source, fact.subject) == ("leaderboard.personal_best", "plaudit/leaderboards", "ada")
    assert fact.data == {"board": "daily", "window": "2026-11-17", "split": "red", "score": 11, "previous": 10}
    assert (fact.time, fact.traceparent) == (INSTANT + timedelta(days=1), TRACE.decode())
    assert (output.key, output.headers) == (actor_key(TENANT, "ada"), derived_headers(8, 5, TRACE))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_facts_do_not_depend_on_how_runs_are_cut(size: int) -> None:
    """Nor on a restart between two runs: what is to be beaten is in the rows."""
    whole, cut, table = Worker().run(*HISTORY), [], MemoryTable()

    for start in range(0, len(HISTORY), size):
        cut += Worker(table).run(*HISTORY[start : start + size])

    assert cut == whole
    assert len(whole) >= 8
    assert len({fact.id for fact in facts(whole)}) == len(whole)


def test_what_is_delivered_again_is_told_once() -> None:
    """A run that is computed again before it was written gives the same facts, afterwards none."""
    worker = Worker()
    first = worker.stage.process(Run("source", 0, HISTORY), {"boards": worker.table}).outputs["facts", 0]

    assert worker.run(*HISTORY) == first
    assert worker.run(*HISTORY) == []


@pytest.mark.parametrize("size", [3, 8])
@pytest.mark.parametrize("start", range(len(HISTORY)))
def test_facts_do_not_depend_on_where_the_changelog_was_cut(start: int, size: int) -> None:
    """Whichever rows of a run are there when it comes again, cut elsewhere: none is missing or says something else."""
    whole, run = said(Worker().run(*HISTORY)), HISTORY[start : start + size]

    for cut in range(2 * len(run) + 2):
        table = MemoryTable()
        outputs = Worker(table).run(*HISTORY[:start])
        outputs += died(table, run, cut)
        outputs += Worker(table).run(*run[:1])
        outputs += Worker(table).run(*run[1:], *HISTORY[start + size :])
        assert said(outputs) == whole


def test_a_best_outlives_its_window_though_only_the_expiry_was_written() -> None:
    """The run that begins an actor's next window brings the end of the one that holds the best."""
    before = [on_day(0, 0, 10), on_day(1, 1, 1, "bob"), on_day(2, 2, 1, "bob")]
    run = [on_day(3, 3, 1), on_day(4, 4, 1, "bob")]

    for cut in range(6):
        table = MemoryTable()
        Worker(table).run(*before)
        died(table, run, cut)
        Worker(table).run(*run)
        assert [fact.data["previous"] for fact in facts(Worker(table).run(on_day(5, 3, 20)))] == [10]


def test_a_fact_says_the_same_again_after_a_late_event_of_its_run() -> None:
    """What was beaten is what there was at the fact's own event, though the late event is in a row already."""
    before = [on_day(0, 0, 10), on_day(1, 1, 1)]
    run = [on_day(2, 0, 1), on_day(3, 1, 20), on_day(4, 0, 25)]

    for cut in range(6):
        table = MemoryTable()
        Worker(table).run(*before)
        outputs = died(table, run, cut) + Worker(table).run(*run) + Worker(table).run(on_day(5, 1, 30))
        assert [fact.data["previous"] for fact in said(outputs).values()] == [11]


def test_nothing_is_told_again_from_what_came_later_in_the_run() -> None:
    """The row knows that points were taken back from an older window; when the newer one scored, they were there."""
    run = [on_day(2, 1, 8), on_day(3, 0, -5)]

    for cut in range(4):
        table = MemoryTable()
        Worker(table).run(on_day(1, 0, 10))
        assert died(table, run, cut) == Worker(table).run(*run) == []
        assert [fact.data["previous"] for fact in facts(Worker(table).run(on_day(4, 1, 1)))] == [5]


def test_what_a_late_event_brought_to_an_older_window_outlives_it() -> None:
    """The windows after it had begun with less to beat."""
    worker = Worker()
    worker.run(on_day(0, 0, 10), on_day(1, 1, 5), on_day(2, 0, 30), *(on_day(day, day, 1, "bob") for day in (3, 4)))

    assert worker.run(on_day(5, 4, 40)) == []
    assert [fact.data["previous"] for fact in facts(worker.run(on_day(6, 4, 1)))] == [40]


def test_a_best_outlives_all_windows_that_are_kept() -> None:
    """Whoever comes back after a long time is held against what they had."""
    worker = Worker()
    worker.run(on_day(1, 0, 10), *(on_day(1 + day, day, 1, "bob") for day in range(1, 6)))

    assert worker.run(on_day(20, 6, 10)) == []
    assert [fact.data["previous"] for fact in facts(worker.run(on_day(21, 6, 1)))] == [10]


def test_a_run_may_bring_events_from_before_the_board_told_of_bests() -> None:
    """A revision in between: what an actor scored before is a part of the window's score."""
    before = Score(board="daily", window=INSTANT.date().isoformat(), points=5)
    old = sequenced(encode_json(transaction(actor="ada", scores=(before,), transfers=())), 2)
    worker = Worker()

    assert worker.run(on_day(1, 0, 10), old) == []
    assert [fact.data["previous"] for fact in facts(worker.run(on_day(3, 0, 1), on_day(4, 1, 20)))] == [16]


def test_points_that_are_taken_back_are_no_longer_to_be_beaten() -> None:
    """While the window is kept; what was told stays told."""
    worker = Worker()
    worker.run(on_day(1, 0, 10), on_day(2, 1, 1_000), on_day(3, 1, -998))

    assert [fact.data["previous"] for fact in facts(worker.run(on_day(4, 2, 11), on_day(5, 1, 50)))] == [10]


def test_a_board_for_all_time_has_no_personal_best() -> None:
    """It has a single window; the document says so."""
    board = "{id: b, currency: xp, window: WINDOW, personal_best: true}"
    text = f"{{economy: acme, currencies: {{xp: {{}}}}, leaderboards: [{board}]}}"

    refused = validate(parse_document(text.replace("WINDOW", "all")))

    assert isinstance(refused, list)
    assert "no second window" in refused[0].message
    assert not isinstance(validate(parse_document(text.replace("WINDOW", "week"))), list)
