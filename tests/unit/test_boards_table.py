"""The table `boards`: keys, values and the fold."""

from pathlib import Path

import pytest

from pipeline.errors import PoisonEvent, Reason
from tables import boards, personal_bests
from tables.boards import SCORE_MAX, Expiry, Standing, fold
from tables.personal_bests import Bests

GOLDEN = Path(__file__).parents[1] / "golden"


def test_redelivery_changes_nothing() -> None:
    """A sequence at or below the last one folded is done already."""
    standing = Standing(1, 10, 100, 7)

    assert fold(standing, 5, 200, 7) is standing
    assert fold(standing, 5, 200, 6) is standing


def test_late_event_does_not_make_the_score_older() -> None:
    """The present score is complete with its latest part, whichever arrived last."""
    in_order = fold(fold(None, 10, 100, 1), 5, 50, 2)
    other_way = fold(fold(None, 5, 50, 1), 10, 100, 2)

    assert in_order == other_way == Standing(1, 15, 100, 2)


def test_score_goes_down() -> None:
    """A reversal takes points; the lower score was reached when it happened."""
    assert fold(Standing(1, 10, 100, 1), -4, 300, 2) == Standing(1, 6, 300, 2)


def test_no_points_bring_nobody_onto_a_board() -> None:
    """A contribution of nothing is no contribution."""
    assert fold(None, 0, 100, 1) is None


def test_score_beyond_64_bits_is_refused() -> None:
    """A score that the index could not order is refused, never cut."""
    with pytest.raises(PoisonEvent) as refusal:
        fold(Standing(1, SCORE_MAX, 100, 1), 1, 200, 2)

    assert refusal.value.reason is Reason.AMOUNT_OUT_OF_RANGE


def test_key_with_a_null_in_a_part_is_recognised() -> None:
    """Parts are joined by NUL, so one inside a part would make another actor of it."""
    assert boards.is_board_key(boards.board_key("acme", "weekly", "2026-11-16", None, "ada|/%🦊"))
    assert not boards.is_board_key(boards.board_key("acme", "weekly", "2026-11-16", "a\0b", "ada"))


def test_key_parts_come_back() -> None:
    """A key says whose score it is."""
    key = boards.board_key("acme", "weekly", "2026-11-16", "north", "ada|/%🦊")

    assert boards.split_board_key(key) == ("acme", "weekly", "2026-11-16", "north", "ada|/%🦊")


def test_version_1_is_readable_for_ever() -> None:
    """What a released version has stored is decoded to the same values."""
    lines = dict(line.split() for line in (GOLDEN / "boards_v1.txt").read_text().splitlines())

    assert boards.decode_standing(bytes.fromhex(lines["standing"])) == Standing(1, -42, 1_794_830_400_000_000, 12_345)
    assert boards.decode_expiry(bytes.fromhex(lines["expiry"])) == Expiry(1, "2026-11-16", 12_345)
    known = Bests(1, {"": 7, "2026-11-16": -42}, ["2026-11-16"], 12_345)
    assert personal_bests.decode(bytes.fromhex(lines["bests"])) == known
