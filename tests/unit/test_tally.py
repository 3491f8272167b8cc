"""Holding a table against its record while both go on."""

import random

import pytest

from pipeline.reconcile.tally import NOTHING, Gap, Stated, Tally, settled


def tallied(stated: Stated, *movements: tuple[int, int]) -> Tally[str]:
    """Return a tally of one key to which these movements (sequence, amount) were added."""
    tally: Tally[str] = Tally()
    for seq, amount in movements:
        tally.add("ada", seq, amount, stated)
    return tally


def gap(stated: Stated, *movements: tuple[int, int]) -> Gap | None:
    """Return the gap of one key, if there is any."""
    return dict(tallied(stated, *movements).gaps(["ada"], lambda _: stated)).get("ada")


def test_an_amount_is_compared_as_of_its_event() -> None:
    """What the record has beyond is on its way, as far as one can see."""
    assert gap(Stated(5, 30), (2, 10), (5, 20)) is None
    assert gap(Stated(5, 30), (2, 10), (5, 20), (6, 7)) == Gap(Stated(5, 30), 30, (6,))


@pytest.mark.parametrize(
    ("stated", "recorded"), [(Stated(5, 31), 30), (Stated(4, 30), 10), (Stated(5, 0), 30), (Stated(1, 1), 0)]
)
def test_a_wrong_amount_is_a_gap(stated: Stated, recorded: int) -> None:
    """Too much, too little, nothing at all, or something out of nothing."""
    found = gap(stated, (2, 10), (5, 20))

    assert found is not None
    assert (found.stated, found.recorded) == (stated, recorded)


def test_what_a_table_does_not_have_is_a_gap() -> None:
    """A record without a row is found, too, and so is a row without any record."""
    tally = tallied(NOTHING, (3, 10))
    tally.add("eve", 4, 1, NOTHING)

    assert dict(tally.gaps([], lambda _: NOTHING)) == {
        "ada": Gap(NOTHING, 0, (3,)),
        "eve": Gap(NOTHING, 0, (4,)),
    }
    assert dict(Tally[str]().gaps(["bob"], lambda _: Stated(9, 1))) == {"bob": Gap(Stated(9, 1), 0, ())}


def test_movements_that_come_to_nothing_are_no_gap_once_they_have_passed() -> None:
    """Their sum is right though each of them was on its way."""
    tally = tallied(Stated(1, 10), (1, 10), (2, 5), (3, -5))

    assert [each.later for _, each in tally.gaps(["ada"], lambda _: Stated(1, 10))] == [(2, 3)]
    assert dict(tally.gaps(["ada"], lambda _: Stated(3, 10))) == {}


def test_only_what_was_waited_for_is_a_difference() -> None:
    """A table must have come to what the record had before the wait; what was recorded since is on its way again."""
    before = {"ada": Gap(Stated(5, 30), 30, (6, 7))}

    assert settled({"ada": Gap(Stated(7, 40), 40, (8,))}, before) == {}
    assert settled({"eve": Gap(Stated(7, 40), 40, (8,))}, before) == {}
    stuck = {"ada": Gap(Stated(6, 35), 35, (7, 8))}
    assert settled(stuck, before) == stuck
    wrong = {"ada": Gap(Stated(7, 41), 40, ())}
    assert settled(wrong, before) == wrong


@pytest.mark.parametrize("seed", range(20))
def test_a_table_that_follows_its_record_never_differs(seed: int) -> None:
    """However far each of both was read each time, as long as the record was read after the table."""
    chance = random.Random(seed)
    movements = [(seq, chance.randrange(-3, 6)) for seq in range(200)]
    tally: Tally[str] = Tally()
    at = read = 0
    before: dict[str, Gap] = {}
    while at < len(movements):
        at = chance.randint(max(at, read), len(movements))  # all that the record had is waited for
        stated = Stated(at - 1, sum(amount for _, amount in movements[:at]))
        end = chance.randint(max(at, read), len(movements))
        for seq, amount in movements[read:end]:
            tally.add("ada", seq, amount, stated)
        read = end
        found = dict(tally.gaps(["ada"], lambda _, stated=stated: stated))  # type: ignore[misc]
        assert settled(found, before) == {}
        before = found
