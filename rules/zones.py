"""Time zones, from the pinned `tzdata` package: the same event falls on the same day on every machine."""

from datetime import timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from pipeline.events import EPOCH

DAY_SECONDS: Final = 86_400
_SECOND = timedelta(seconds=1)
_OFFSETS_MAX = 4_096  # eleven years of days: a zone's cache stays within some hundred kilobytes
_VARIES = DAY_SECONDS * 2  # no offset is that large: the mark of a day on which the zone's clocks are changed


class Zone:
    """A time zone that answers "how far are the clocks ahead of UTC" without a conversion per call.

    The offset is remembered per day of UTC. In the database no day holds two transitions, so a day that begins and ends
    with the same offset has it throughout; the few others are converted each time.
    """

    __slots__ = ("_offsets", "info", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self.info = info
        self._offsets: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"Zone({self.name!r})"

    def offset(self, seconds: int) -> int:
        """Return local time minus UTC, in seconds, at the instant that lies `seconds` after the epoch."""
        day = seconds // DAY_SECONDS
        offset = self._offsets.get(day)
        if offset is None:
            offset = self._remember(day)
        return self._exact(seconds) if offset == _VARIES else offset

    def day(self, seconds: int) -> int:
        """Return the local date at an instant, as days after 1970-01-01."""
        offset = self._offsets.get(seconds // DAY_SECONDS, _VARIES)
        return (seconds + (self.offset(seconds) if offset == _VARIES else offset)) // DAY_SECONDS

    def _remember(self, day: int) -> int:
        first = self._exact(day * DAY_SECONDS)
        offset = first if self._exact(day * DAY_SECONDS + DAY_SECONDS - 1) == first else _VARIES
        if len(self._offsets) >= _OFFSETS_MAX:
            self._offsets.clear()
        self._offsets[day] = offset
        return offset

    def _exact(self, seconds: int) -> int:
        try:
            offset = (EPOCH + timedelta(seconds=seconds)).astimezone(self.info).utcoffset()
        except OverflowError:  # the first and the last day that a datetime can name have no neighbours to be local in
            return 0
        return 0 if offset is None else offset // _SECOND


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all zones of the IANA database."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1_024)  # there are some six hundred
def _load(name: str) -> Zone:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return Zone(name, ZoneInfo.from_file(file, key=name))


def find_zone(name: object) -> Zone | None:
    """Return the zone of that IANA name (exact, with its capitals), or None."""
    return _load(name) if isinstance(name, str) and name in zone_names() else None


def zone_named(name: str) -> Zone:
    """Return the zone of that IANA name; the same object each time.

    Raises:
        KeyError: there is none.
    """
    if name not in zone_names():
        raise KeyError(name)
    return _load(name)


UTC_ZONE: Final = zone_named("UTC")
