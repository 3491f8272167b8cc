"""Personal bests on leaderboards: told once, whatever is delivered again and however runs are cut."""

from datetime import timedelta

import pytest

from agents.leaderboards import LeaderboardsStage
from pipeline.events import Event, Score, actor_key, decode_event, derived_headers, encode_json
from pipeline.recordbatch.model import Output, Run
from rules.document import parse_document, validate
from tables.board_shards import BoardShards
from tests.builders import INSTANT, TENANT, transaction
from tests.memory import MemoryRecord, MemoryTable, step

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


def test_an_actor_who_was_away_for_all_kept_windows_begins_anew() -> None:
    """What has expired is remembered by later windows only."""
    worker = Worker()
    worker.run(on_day(1, 0, 10), *(on_day(1 + day, day, 1, "bob") for day in range(1, 6)))

    assert worker.run(on_day(20, 6, 11)) == []
    assert [fact.data["previous"] for fact in facts(worker.run(on_day(21, 7, 12)))] == [11]


def test_a_board_for_all_time_has_no_personal_best() -> None:
    """It has a single window; the document says so."""
    board = "{id: b, currency: xp, window: WINDOW, personal_best: true}"
    text = f"{{economy: acme, currencies: {{xp: {{}}}}, leaderboards: [{board}]}}"

    refused = validate(parse_document(text.replace("WINDOW", "all")))

    assert isinstance(refused, list)
    assert "no second window" in refused[0].message
    assert not isinstance(validate(parse_document(text.replace("WINDOW", "week"))), list)
