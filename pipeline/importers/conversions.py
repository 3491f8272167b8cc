"""How the text of a cell becomes a value: exact, or a complaint."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.errors import UserError
from pipeline.events import EPOCH

Conversion = Callable[[str], object]

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
# Days repeat in most files, and a format is slow to apply.
_REMEMBERED = 4_096


def integer(text: str) -> int:
    """Return an integer of any size."""
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no integer")
    return int(text)


def number(text: str) -> int | float:
    """Return an integer where it is written as one, else the nearest number with a fraction. Not for money."""
    return integer(text) if _INTEGER.fullmatch(text) is not None else float(_decimal(text))


def cents(text: str) -> int:
    """Return a hundred times an amount, exactly: `11.77` is 1177. An amount with parts of a cent is refused."""
    scaled = _decimal(text).scaleb(2)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} has parts of a cent")
    return int(scaled)


def boolean(text: str) -> bool:
    """Return what `true`, `yes`, `1` or `false`, `no`, `0` say."""
    lowered = text.lower()
    if lowered not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return lowered in _TRUE


DATA_CONVERSIONS: dict[str, Conversion] = {
    "text": str,
    "int": integer,
    "number": number,
    "cents": cents,
    "bool": boolean,
}


def time_conversion(form: str, zone: ZoneInfo) -> Conversion:
    """Return how a column's times are read: `unix`, `unix_ms`, or a format such as `%Y%m%d`; empty for RFC 3339.

    A time without a zone is one of `zone`.

    Raises:
        UserError: there is no such form.
    """
    if form == "":
        return str
    if form in {"unix", "unix_ms"}:
        unit = timedelta(seconds=1) if form == "unix" else timedelta(milliseconds=1)
        return lambda text: _written(EPOCH + integer(text) * unit)
    if "%" not in form:
        raise UserError(f"{form!r} is no form of a time: unix, unix_ms, or a format with % such as %Y-%m-%d")

    @lru_cache(maxsize=_REMEMBERED)
    def parsed(text: str) -> str:
        instant = datetime.strptime(text, form)  # noqa: DTZ007  # a zone follows, if the format has none
        return _written(instant if instant.tzinfo is not None else instant.replace(tzinfo=zone))

    return parsed


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _decimal(text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no number")
    return Decimal(text)
