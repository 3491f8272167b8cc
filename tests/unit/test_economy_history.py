"""What a record of `economies` says, and what is known after a sequence of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pipeline.events import EPOCH
from tables.economies import (
    RECORD_BYTES_MAX,
    SUPERSEDED_KEPT,
    EconomyHistory,
    HistoryFull,
    NotAHistory,
    append_revision,
    decode_history,
    encode_history,
    follow,
    in_force,
    named,
    superseded_at,
)

NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
MARGIN_MS = 5_000
MARGIN = timedelta(milliseconds=MARGIN_MS)


def published(
    *instants: datetime, effective: tuple[datetime | None, ...] = (), document: bytes = b'{"economy":"acme"}'
) -> EconomyHistory:
    """Return a history with one publication at each instant."""
    history: EconomyHistory | None = None
    for index, instant in enumerate(instants):
        wish = effective[index] if index < len(effective) else None
        history = append_revision(history, "acme", document, instant, wish, MARGIN_MS)
    assert history is not None
    return history


def millis(instant: datetime) -> int:
    """Return an instant as the broker stamps it."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def numbers(history: EconomyHistory) -> list[int]:
    """Return the numbers of the revisions that are kept."""
    return [each.revision for each in history.revisions]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        (b"acme", b"", "truncated"),
        (b"acme", b"\xff\xfe", "malformed"),
        (b"acme", b'{"unknown":' + b"[" * 100_000, "recursion"),
        (b"acme", b"{}", "missing required field"),
        (b"acme", b'{"version":2,"tenant":"acme","margin_ms":1,"revisions":[]}', "version"),
        (b"acme", b'{"tenant":"acme","margin_ms":1,"revisions":[]}', "newest last"),
        (b"other", encode_history(published(NOON)), "key"),
        (None, encode_history(published(NOON)), "key"),
        (b"acme", encode_history(published(NOON)).replace(b'"revision":1', b'"revision":0'), ">= 1"),
        (b"acme", encode_history(published(NOON, NOON)).replace(b'"revision":2', b'"revision":1'), "newest last"),
        (b"acme", encode_history(published(NOON)).replace(b"00Z", b"00"), "timezone"),
        (b"acme", encode_history(published(NOON)).replace(b'"margin_ms":5000', b'"margin_ms":-1'), ">= 0"),
    ],
)
def test_garbage_is_no_history(key: bytes | None, value: bytes, problem: str) -> None:
    """Whatever stands on the topic, reading it either gives a sound history or says what is wrong."""
    with pytest.raises(NotAHistory, match=f"(?i){problem}"):
        decode_history(key, value)


def test_a_history_survives_the_log() -> None:
    """What is written is read."""
    history = published(NOON, NOON + MARGIN)

    assert decode_history(b"acme", encode_history(history)) == history


def test_a_record_can_be_read_by_people() -> None:
    """The document stands in the record as JSON, not as text inside of text."""
    record = msgspec.json.decode(encode_history(published(NOON)))

    assert record["revisions"][0]["document"] == {"economy": "acme"}
    assert record["revisions"][0]["effective_at"] == "2026-11-16T12:00:05Z"


def test_revisions_are_numbered_from_one_and_never_change() -> None:
    """A further publication leaves the earlier ones as they were."""
    first = published(NOON)
    second = append_revision(first, "acme", b"{}", NOON + MARGIN, None, MARGIN_MS)

    assert numbers(second) == [1, 2]
    assert second.revisions[0] == first.revisions[0]


@pytest.mark.parametrize("wish", [None, NOON - timedelta(days=1), NOON, NOON + MARGIN])
def test_a_revision_takes_effect_a_margin_after_its_publication_at_the_earliest(wish: datetime | None) -> None:
    """Workers must have had the time to read it."""
    assert published(NOON, effective=(wish,)).newest.effective_at == NOON + MARGIN


def test_a_revision_takes_effect_later_when_that_is_asked_for() -> None:
    """An announced change of rules is published ahead of its day."""
    later = NOON + timedelta(days=3)

    assert published(NOON, effective=(later,)).newest.effective_at == later


def test_nothing_is_in_force_before_the_first_revision() -> None:
    """An event that came too early has no economy."""
    assert in_force(published(NOON), NOON + MARGIN - timedelta(milliseconds=1)) is None


def test_a_revision_is_in_force_at_its_effective_instant() -> None:
    """The instant itself belongs to the new revision."""
    history = published(NOON, NOON + MARGIN)

    before = in_force(history, NOON + 2 * MARGIN - timedelta(milliseconds=1))
    at = in_force(history, NOON + 2 * MARGIN)

    assert (before, at) == (history.revisions[0], history.revisions[1])


def test_of_two_with_the_same_instant_the_higher_number_is_in_force() -> None:
    """Whoever corrects an announced revision publishes it again for the same instant."""
    later = NOON + timedelta(hours=1)
    history = published(NOON, NOON + MARGIN, effective=(later, later))

    assert in_force(history, later) == history.revisions[1]


def test_an_announced_revision_takes_over_from_one_published_after_it() -> None:
    """The effective instant decides, not the number."""
    later = NOON + timedelta(hours=1)
    history = published(NOON, NOON + MARGIN, effective=(later, None))

    assert in_force(history, later - timedelta(milliseconds=1)) == history.revisions[1]
    assert in_force(history, later) == history.revisions[0]
    assert superseded_at(history, history.revisions[1]) == later
    assert superseded_at(history, history.revisions[0]) is None


def test_the_first_of_two_records_for_a_number_wins() -> None:
    """Two publishers at once: everyone who reads the log agrees with its order."""
    mine = published(NOON, document=b'{"by":1}')
    theirs = published(NOON, document=b'{"by":2}')

    known = follow(None, mine, millis(NOON))
    after = follow(known, theirs, millis(NOON))

    assert after is known


def test_a_loser_that_publishes_again_leaves_both() -> None:
    """The lost document gets the next number, and the record repeats the winner, so that compaction keeps it."""
    winner = follow(None, published(NOON, document=b'{"by":1}'), millis(NOON))
    follow(winner, published(NOON, document=b'{"by":2}'), millis(NOON))
    again = append_revision(winner, "acme", b'{"by":2}', NOON, None, MARGIN_MS)

    read_from_start = follow(winner, again, millis(NOON))
    read_after_compaction = follow(None, again, millis(NOON))

    assert read_from_start == read_after_compaction == again
    assert [bytes(each.document) for each in again.revisions] == [b'{"by":1}', b'{"by":2}']


def test_a_record_that_contradicts_what_is_known_changes_no_old_revision() -> None:
    """A record built upon a loser still can't rewrite what events were judged by."""
    known = follow(None, published(NOON, document=b'{"by":1}'), millis(NOON))
    on_the_loser = append_revision(published(NOON, document=b'{"by":2}'), "acme", b'{"by":3}', NOON, None, MARGIN_MS)

    after = follow(known, on_the_loser, millis(NOON))

    assert [bytes(each.document) for each in after.revisions] == [b'{"by":1}', b'{"by":3}']


def test_a_slow_publisher_cannot_bring_back_the_past() -> None:
    """A record with fewer revisions than are known publishes nothing."""
    known = follow(None, published(NOON, NOON, NOON), millis(NOON))

    assert follow(known, published(NOON, NOON), millis(NOON)) is known


def test_a_publication_that_was_held_up_takes_effect_a_margin_after_its_arrival() -> None:
    """Events may have been judged without it until then."""
    arrived = NOON + timedelta(minutes=1)

    known = follow(None, published(NOON), millis(arrived))

    assert (known.newest.published_at, known.newest.effective_at) == (arrived, arrived + MARGIN)


def test_a_publication_in_time_keeps_its_instant() -> None:
    """The ordinary way through the network is covered by the margin."""
    known = follow(None, published(NOON), millis(NOON + timedelta(seconds=1)))

    assert known.newest.effective_at == NOON + MARGIN


def test_what_is_known_of_a_late_publication_is_the_same_after_the_next() -> None:
    """The next record repeats the instants that counted, so that compaction changes nothing."""
    arrived = NOON + timedelta(minutes=1)
    known = follow(None, published(NOON), millis(arrived))
    later = append_revision(known, "acme", b"{}", arrived, None, MARGIN_MS)

    assert follow(known, later, millis(arrived)) == follow(None, later, millis(arrived))


def test_a_record_keeps_within_what_the_broker_takes() -> None:
    """The oldest of those superseded long ago are dropped; numbers go on."""
    document = b'{"text":"' + b"x" * 400_000 + b'"}'
    instants = [NOON + timedelta(days=day) for day in range(4)]

    history = published(*instants, document=document)

    assert numbers(history) == [3, 4]
    assert len(encode_history(history)) <= RECORD_BYTES_MAX
    assert named(history, 2) is None
    assert follow(follow(None, published(*instants[:2]), millis(NOON)), history, millis(instants[-1])) == history


def test_a_revision_that_may_still_judge_events_is_never_dropped() -> None:
    """Rather the new one is refused."""
    document = b'{"text":"' + b"x" * 400_000 + b'"}'
    history = published(NOON, NOON + timedelta(minutes=1), document=document)

    with pytest.raises(HistoryFull):
        append_revision(history, "acme", document, NOON + SUPERSEDED_KEPT, None, MARGIN_MS)


def test_a_revision_that_is_announced_is_never_dropped() -> None:
    """It has not been in force yet, and another one is."""
    document = b'{"text":"' + b"x" * 400_000 + b'"}'
    far = NOON + timedelta(days=100)
    history = published(NOON, NOON + timedelta(days=1), effective=(far, None), document=document)

    with pytest.raises(HistoryFull):
        append_revision(history, "acme", document, NOON + timedelta(days=2), far, MARGIN_MS)


def test_the_first_version_is_read_for_ever() -> None:
    """What an earlier release has published still judges the events of its time."""
    golden = Path(__file__).parents[1] / "golden" / "economies_v1.json"

    history = decode_history(b"acme", golden.read_bytes())

    assert (history.tenant, history.margin_ms, numbers(history)) == ("acme", 5_000, [2, 3])
    assert history.revisions[0].effective_at == NOON + MARGIN
    assert msgspec.json.decode(history.newest.document)["currencies"] == {"xp": {}}
    assert encode_history(history) == golden.read_bytes().strip()
