"""Which day, week or month an instant falls into, where the clocks do not simply go on."""

from datetime import UTC, datetime

import pytest

from rules.periods import PERIOD_LABELS, next_window, previous_window, window_bounds, window_of_date, window_start
from rules.zones import find_zone, zone_named


def at(text: str) -> datetime:
    """Return an instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "day", "week", "month"),
    [
        ("UTC", "2026-11-22T23:59:59", "2026-11-22", "2026-11-16", "2026-11-01"),
        ("UTC", "2026-11-23T00:00:00", "2026-11-23", "2026-11-23", "2026-11-01"),
        ("Europe/Berlin", "2026-11-22T22:59:59", "2026-11-22", "2026-11-16", "2026-11-01"),
        ("Europe/Berlin", "2026-11-22T23:00:00", "2026-11-23", "2026-11-23", "2026-11-01"),
        ("Europe/Berlin", "2026-03-28T22:59:59", "2026-03-28", "2026-03-23", "2026-03-01"),  # before summer time
        ("Europe/Berlin", "2026-03-29T21:59:59", "2026-03-29", "2026-03-23", "2026-03-01"),  # a day of 23 hours
        ("Europe/Berlin", "2026-03-29T22:00:00", "2026-03-30", "2026-03-30", "2026-03-01"),
        ("Europe/Berlin", "2026-10-25T22:59:59", "2026-10-25", "2026-10-19", "2026-10-01"),  # a day of 25 hours
        ("America/New_York", "2026-11-01T03:59:59", "2026-10-31", "2026-10-26", "2026-10-01"),
        ("America/New_York", "2026-11-02T04:59:59", "2026-11-01", "2026-10-26", "2026-11-01"),  # a day of 25 hours
        ("Australia/Lord_Howe", "2026-04-05T13:29:59", "2026-04-05", "2026-03-30", "2026-04-01"),  # half an hour back
        ("Pacific/Apia", "2011-12-30T09:59:59", "2011-12-29", "2011-12-26", "2011-12-01"),
        ("Pacific/Apia", "2011-12-30T10:00:00", "2011-12-31", "2011-12-26", "2011-12-01"),  # the 30th never was
        ("America/Sao_Paulo", "2018-11-04T03:00:00", "2018-11-04", "2018-10-29", "2018-11-01"),  # begins at 01:00
        ("UTC", "1969-12-31T23:59:59", "1969-12-31", "1969-12-29", "1969-12-01"),
        ("America/New_York", "0001-01-01T00:00:00", "0001-01-01", "0001-01-01", "0001-01-01"),
        ("Asia/Tokyo", "9999-12-31T23:59:59", "9999-12-31", "9999-12-27", "9999-12-01"),
    ],
)
def test_window_of_an_instant(zone: str, instant: str, day: str, week: str, month: str) -> None:
    """A window is named by its first local date."""
    where = zone_named(zone)

    assert window_start("day", at(instant), where) == day
    assert window_start("week", at(instant), where) == week
    assert window_start("month", at(instant), where) == month
    assert window_start("all", at(instant), where) == "all"


@pytest.mark.parametrize(
    ("zone", "window", "first", "after"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00", "2011-12-30T10:00:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00", "2011-12-30T10:00:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00", "2018-11-05T02:00:00"),
    ],
)
def test_bounds_of_a_day(zone: str, window: str, first: str, after: str) -> None:
    """A day begins at its midnight, or at the instant to which a midnight that is skipped moved."""
    assert window_bounds("day", window, zone_named(zone)) == (at(first), at(after))


def test_neighbours_of_windows() -> None:
    """Windows follow each other without a gap, over the ends of years."""
    assert previous_window("day", "2027-01-01") == "2026-12-31"
    assert previous_window("week", "2026-11-16") == "2026-11-09"
    assert previous_window("month", "2027-01-01") == "2026-12-01"
    assert previous_window("all", "all") == "all"
    assert next_window("month", "2027-01-01") == "2027-02-01"
    assert next_window("month", "2027-02-01") == "2027-03-01"
    assert next_window("week", "2026-12-28") == "2027-01-04"
    assert next_window("all", "all") == "all"


def test_date_within_a_window_names_it() -> None:
    """Whoever asks for a week may name any of its days."""
    assert window_of_date("week", "2026-11-18") == "2026-11-16"
    with pytest.raises(ValueError, match="isoformat"):
        window_of_date("week", "yesterday")


def test_hour_that_is_shown_twice_is_two_hours() -> None:
    """When the clocks are set back, an hourly limit begins anew."""
    label = PERIOD_LABELS["hour"]
    berlin, kolkata = zone_named("Europe/Berlin"), zone_named("Asia/Kolkata")

    def hour(text: str, zone: object) -> int:
        return label(int(at(text).timestamp()), zone)  # type: ignore[arg-type]

    assert hour("2026-10-25T00:59:59", berlin) != hour("2026-10-25T01:00:00", berlin)
    assert hour("2026-11-16T12:29:59", kolkata) != hour("2026-11-16T12:30:00", kolkata)
    assert hour("2026-11-16T12:30:00", kolkata) == hour("2026-11-16T13:29:59", kolkata)


@pytest.mark.parametrize(
    "name", ["", "Europe", "europe/berlin", "../../etc/passwd", "Europe/Berlin\0", "x" * 9_999, None, 5]
)
def test_what_names_no_zone_is_none(name: object) -> None:
    """Names come from users; none of them reaches the file system."""
    assert find_zone(name) is None
