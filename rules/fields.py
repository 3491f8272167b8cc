"""The small values of an economy document: ids, currencies, factors, durations, instants. Each says what it expects."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo
from pydantic_core import PydanticCustomError

from pipeline.events import TYPE_LENGTH_MAX
from rules.zones import find_zone, zone_names

TRANSFER_MAX: Final = 10**15  # one posting; leaves room for nine of them below the greatest balance
FACTOR_MAX: Final = Decimal(1_000_000)
FACTOR_DECIMALS_MAX: Final = 9
DURATION_SECONDS_MAX: Final = 3_660 * 86_400  # ten years
PATH_KEYS_MAX: Final = 32

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_FACTOR = re.compile(r"\d{1,9}(\.\d{1,30})?")
_TYPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


def mistake(code: str, message: str, suggestion: str = "", at: str = "") -> PydanticCustomError:
    """Return the error that a validator raises; `suggestion` says what to write, `at` names a part of the value."""
    return PydanticCustomError(code, "{message}", {"message": message, "suggestion": suggestion, "at": at})


def closest(word: str, known: object) -> str:
    """Return a suggestion: the known word nearest to `word`, or all of them if they are few."""
    words = sorted(str(each) for each in known) if isinstance(known, set | frozenset | dict | list | tuple) else []
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"one of: {', '.join(words)}" if 0 < len(words) <= 20 else ""


def _known_currency(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("currencies")
    if known is not None and name not in known:
        raise mistake(
            "unknown_currency", f"there is no currency {name!r}", closest(name, known) or "add it to `currencies`"
        )
    return name


def known_in(section: str, what: str) -> Callable[[str, ValidationInfo], str]:
    """Return a validator for the id of an entry of a section."""

    def check(name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get(section)
        if known is not None and name not in known:
            suggestion = closest(name, known) or f"add it to `{section}`"
            raise mistake(f"unknown_{what}", f"there is no {what} {name!r}", suggestion)
        return name

    return check


def _factor(value: Any) -> Decimal:
    written = repr(value) if isinstance(value, float) else str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal) or not _FACTOR.fullmatch(written):
        raise mistake("factor", f"{value!r} is no factor", "a positive decimal number, such as 1.5")
    factor = Decimal(written)
    if not 0 < factor <= FACTOR_MAX:
        raise mistake("factor", f"a factor is greater than 0 and at most {FACTOR_MAX}", "such as 1.5")
    if -int(factor.as_tuple().exponent) > FACTOR_DECIMALS_MAX:
        raise mistake("factor", f"a factor has at most {FACTOR_DECIMALS_MAX} decimals", "round it")
    return factor


def _duration(value: Any) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match or not value:
        raise mistake("duration", f"{value!r} is no duration", "a number and a unit: 30s, 10m, 12h, 90d, 1h30m")
    seconds = sum(int(number) * unit for number, unit in zip(match.groups("0"), _UNITS.values(), strict=True))
    if not 0 < seconds <= DURATION_SECONDS_MAX:
        raise mistake("duration", f"{value!r} is out of range", "more than nothing, at most ten years")
    return seconds


def parse_instant(value: Any) -> datetime:
    """Return an RFC 3339 instant, in UTC. Raises what pydantic reports otherwise."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise mistake("instant", f"{value!r} is no instant", "date, time and offset: 2026-12-05T00:00:00Z")


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise mistake(
            "timezone", f"there is no time zone {name!r}", closest(name, zone_names()) or "such as Europe/Berlin"
        )
    return name


def _matching(pattern: re.Pattern[str], what: str, suggestion: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise mistake("name", f"{text!r} is no {what}", suggestion)
        return text

    return check


def _event_pattern(text: str) -> str:
    name = text.removesuffix(".*")
    if text.startswith("plaudit."):
        raise mistake("command", f"{text!r} names commands, which no rule can match", "the type of an event")
    if text != "*" and not (_TYPE.fullmatch(name) and len(text) <= TYPE_LENGTH_MAX):
        raise mistake(
            "event_type", f"{text!r} is no event type", "lower-case words with dots, pr.merged; or a prefix, pr.*"
        )
    return text


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Id = Annotated[str, AfterValidator(_matching(_NAME, "id", "up to 64 letters, digits, dots, hyphens and underscores"))]
TenantName = Annotated[
    str,
    AfterValidator(
        _matching(re.compile(r"[a-z0-9][a-z0-9-]{0,62}"), "tenant", "up to 63 lower-case letters, digits and hyphens")
    ),
]
NewCurrency = Annotated[
    str,
    AfterValidator(_matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"), "currency", "up to 32 letters and digits")),
]
Currency = Annotated[str, AfterValidator(_known_currency)]
EventPattern = Annotated[str, AfterValidator(_event_pattern)]
ZoneName = Annotated[str, AfterValidator(_zone)]
Factor = Annotated[Decimal, BeforeValidator(_factor), PlainSerializer(str)]
Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(lambda seconds: f"{seconds}s")]
"""Seconds."""
Instant = Annotated[datetime, BeforeValidator(parse_instant)]
Count = Annotated[int, Field(strict=True, ge=1, le=TRANSFER_MAX)]
"""A number of things or points, at least one."""
