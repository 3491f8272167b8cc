"""Calendar arithmetic: which hour, day, week or month an instant falls into in a time zone, through daylight saving.

Limits count in periods, leaderboards in windows. A day, week or month is named by its first local date, so it is the
same one whatever the clocks do in it. Weeks begin on Monday.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal

from pipeline.events import EPOCH
from rules.zones import Zone

Period = Literal["hour", "day", "week", "month", "ever"]
Window = Literal["day", "week", "month", "all"]

ALL: Final = "all"
FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT: Final = datetime.max.replace(tzinfo=UTC)

_HOUR = 3_600
_SECOND = timedelta(seconds=1)
_EPOCH_ORDINAL = EPOCH.toordinal()
_DAY_MIN = date.min.toordinal() - _EPOCH_ORDINAL
_DAY_MAX = date.max.toordinal() - _EPOCH_ORDINAL
_MONDAY = 3  # 1970-01-01 was a Thursday: three days after a Monday
_CACHED_DAYS = 8_192  # twenty-two years of days


def seconds_of(instant: datetime) -> int:
    """Return an aware instant as whole seconds after the epoch, rounded down."""
    return (instant - EPOCH) // _SECOND


def _date(day: int) -> date:
    return date.fromordinal(min(max(day, _DAY_MIN), _DAY_MAX) + _EPOCH_ORDINAL)


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH_ORDINAL


def _week(day: int) -> int:
    return day - (day + _MONDAY) % 7


@lru_cache(maxsize=_CACHED_DAYS)
def _month(day: int) -> int:
    return _number(_date(day).replace(day=1))


def _hour_label(seconds: int, zone: Zone) -> int:
    return seconds - (seconds + zone.offset(seconds)) % _HOUR


PERIOD_LABELS: Mapping[Period, Callable[[int, Zone], int]] = {
    "hour": _hour_label,
    "day": lambda seconds, zone: zone.day(seconds),
    "week": lambda seconds, zone: _week(zone.day(seconds)),
    "month": lambda seconds, zone: _month(zone.day(seconds)),
    "ever": lambda _seconds, _zone: 0,
}
"""For each period, the label of the one that holds an instant (seconds after the epoch). Later periods have greater
labels.

A day, week or month is labelled by its first local date as days after 1970-01-01: an actor who moves to another zone
does not get the same date a second time. An hour is labelled by the instant at which the clock showed it full: when
the clocks are set back, the hour that is shown twice is two hours.
"""


def week_number(day: int) -> int:
    """Return the number of the week that holds a local date, given as days after 1970-01-01; weeks count up by one."""
    return (day + _MONDAY) // 7


def week_start(week: int) -> int:
    """Return the Monday that a numbered week begins with, as days after 1970-01-01."""
    return week * 7 - _MONDAY


@lru_cache(maxsize=_CACHED_DAYS)
def date_of_day(day: int) -> str:
    """Return a local date, given as days after 1970-01-01, as text: `2026-11-16`."""
    return _date(day).isoformat()


@lru_cache(maxsize=_CACHED_DAYS)
def window_of_day(kind: Window, day: int) -> str:
    """Return the window that holds a local date, given as days after 1970-01-01."""
    if kind == ALL:
        return ALL
    first = day if kind == "day" else _week(day) if kind == "week" else _month(day)
    return _date(first).isoformat()


def window_start(kind: Window, instant: datetime, zone: Zone) -> str:
    """Return the window that holds an instant: its first local date (`2026-11-16`), or `all`."""
    return ALL if kind == ALL else window_of_day(kind, zone.day(seconds_of(instant)))


def window_of_date(kind: Window, text: str) -> str:
    """Return the window that holds the date `text` (`2026-11-18`); for `all`, `all` whatever the text.

    Raises:
        ValueError: the text is no date.
    """
    return ALL if kind == ALL else window_of_day(kind, _number(date.fromisoformat(text)))


def previous_window(kind: Window, window: str) -> str:
    """Return the window before the given one. `all` has none before it and is returned itself."""
    return ALL if kind == ALL else window_of_day(kind, _number(date.fromisoformat(window)) - 1)


def next_window(kind: Window, window: str) -> str:
    """Return the window after the given one. `all` has none after it and is returned itself."""
    if kind == ALL:
        return ALL
    longest = {"day": 1, "week": 7, "month": 31}[kind]  # days to go, from a window's first, to be in the next
    return window_of_day(kind, _number(date.fromisoformat(window)) + longest)


def window_bounds(kind: Window, window: str, zone: Zone) -> tuple[datetime, datetime]:
    """Return the first instant of a window and the first one after it, in UTC.

    The two are equal for a day that the zone skipped. `all` reaches from the first to the last instant there is.
    """
    if kind == ALL:
        return FIRST_INSTANT, LAST_INSTANT
    return _midnight(date.fromisoformat(window), zone), _midnight(date.fromisoformat(next_window(kind, window)), zone)


def _midnight(day: date, zone: Zone) -> datetime:
    """Return the instant at which a local date begins; where the clocks skip midnight, the instant at which they do.

    The earlier of two midnights (`fold=0`) is the right one, and for a midnight that does not exist Python takes the
    offset from before the gap, which yields the instant of the transition.
    """
    try:
        return datetime.combine(day, time(), tzinfo=zone.info).astimezone(UTC)
    except OverflowError:
        return FIRST_INSTANT
