"""Which period of a streak an instant falls into, and how long the streak is then."""

from rules import streak_state
from rules.game import Every, Streak
from rules.periods import date_of_day, week_number, week_start
from rules.streak_state import StreakState
from rules.zones import Zone


def period_of(every: Every, seconds: int, zone: Zone) -> int:
    """Return the number of the period that holds an instant (seconds after the epoch) in a zone."""
    day = zone.day(seconds)
    return day if every == "day" else week_number(day)


def period_date(every: Every, period: int) -> str:
    """Return the first local date of a period, `2026-11-16`."""
    return date_of_day(period if every == "day" else week_start(period))


def length_at(streak: Streak, state: StreakState | None, seconds: int, zone: Zone) -> int:
    """Return how long the streak is at an instant; 0 if it is broken."""
    if state is None:
        return 0
    return streak_state.current(state, period_of(streak.every, seconds, zone), streak.grace)
