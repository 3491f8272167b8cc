"""Bounds in time as the evaluation compares them: microseconds since the epoch, open where a document names none."""

from datetime import datetime
from typing import Final

from pipeline.events import micros

_EVER_US: Final = 2**63  # beyond the last instant that an event can have


def after_us(instant: datetime | None) -> int:
    """Return the first microsecond of a window that begins then; with None it has always been open."""
    return -_EVER_US if instant is None else micros(instant)


def before_us(instant: datetime | None) -> int:
    """Return the first microsecond after a window that ends then; with None it never ends."""
    return _EVER_US if instant is None else micros(instant)
