"""Which window of a leaderboard an instant falls into, and which one a reader means.

Days, weeks and months are those of the calendar in the tenant's zone. A season's window bears the season's first local
date, so that windows of every kind are dates and sort by time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from rules.periods import ALL, Window, previous_window, seconds_of, window_of_date, window_of_day
from rules.zones import Zone

BoardWindow = Window | Literal["season"]
CURRENT: Final = "current"
PREVIOUS: Final = "previous"
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Season:
    """A season: events with `from_us` <= time < `until_us`. `window` names its windows of leaderboards."""

    id: str
    from_us: int
    until_us: int
    window: str


class NoWindow(ValueError):
    """No window is meant by this text; the message says why. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def season_at(seasons: Sequence[Season], seconds: int) -> Season | None:
    """Return the season that holds an instant (seconds after the epoch); they do not overlap."""
    at_us = seconds * _SECOND_US
    return next((season for season in seasons if season.from_us <= at_us < season.until_us), None)


def window_at(kind: BoardWindow, seasons: Sequence[Season], seconds: int, zone: Zone) -> str | None:
    """Return the window that holds an instant; None outside all seasons."""
    if kind != "season":
        return window_of_day(kind, zone.day(seconds))
    season = season_at(seasons, seconds)
    return None if season is None else season.window


def named_window(kind: BoardWindow, seasons: Sequence[Season], text: str, now: datetime, zone: Zone) -> str:
    """Return the window that a reader means by `current`, `previous`, a window's first day, or a season's id.

    Raises:
        NoWindow: there is none.
    """
    if kind == "season":
        return _season_named(seasons, text, seconds_of(now))
    current = window_of_day(kind, zone.day(seconds_of(now)))
    if text == CURRENT or (text == ALL and kind == ALL):
        return current
    if kind == ALL:
        raise NoWindow("invalid-window", f"the board has one window: {ALL}")
    return previous_window(kind, current) if text == PREVIOUS else _dated(kind, text)


def _season_named(seasons: Sequence[Season], text: str, seconds: int) -> str:
    now_us = seconds * _SECOND_US
    if text == CURRENT:
        running = season_at(seasons, seconds)
        if running is None:
            raise NoWindow("no-season", "no season is running")
        return running.window
    if text == PREVIOUS:
        over = [season for season in seasons if season.until_us <= now_us]
        if not over:
            raise NoWindow("no-season", "no season is over yet")
        return max(over, key=lambda season: season.until_us).window
    for season in seasons:
        if text in {season.id, season.window}:
            return season.window
    raise NoWindow("invalid-window", "`current`, `previous`, a season's id or its first day")


def _dated(kind: Window, text: str) -> str:
    try:
        window = window_of_date(kind, text)
        written = date.fromisoformat(text).isoformat() == text
    except ValueError:
        written, window = False, ""
    if not written:
        raise NoWindow("invalid-window", "`current`, `previous` or the first day of a window, as in 2026-11-16")
    if window != text:
        raise NoWindow("invalid-window", f"no {kind} begins on {text}; it lies in the one of {window}")
    return window
