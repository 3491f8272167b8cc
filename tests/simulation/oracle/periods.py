"""Periods of the calendar, by their names and by their numbers, in a time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def period(kind: str, instant: datetime, zone: str) -> str:
    """Return a name of the period that holds an instant; names of later periods of a kind are greater."""
    local = instant.astimezone(ZoneInfo(zone))
    day: date = local.date()
    if kind == "hour":
        past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return (instant - past).astimezone(UTC).isoformat()
    if kind == "week":
        return _monday(day).isoformat()
    if kind == "month":
        return day.replace(day=1).isoformat()
    return day.isoformat() if kind == "day" else "all"


def number(every: str, instant: datetime, zone: str) -> int:
    """Return the number of the day, after 1970-01-01, or of the week, after the one that holds it."""
    day = instant.astimezone(ZoneInfo(zone)).date()
    first = date(1970, 1, 1)
    return (day - first).days if every == "day" else (_monday(day) - _monday(first)).days // 7


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
