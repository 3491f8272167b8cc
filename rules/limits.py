"""Limits and cooldowns: how often, and how much, a rule gives one actor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from rules.periods import PERIOD_LABELS, Period
from rules.zones import Zone

PERIODS_REMEMBERED: Final = 32

Uses = Mapping[int, int]
"""What of a limit is used up, by the label of the period (`rules.periods.PERIOD_LABELS`)."""

encode_uses: Final[Callable[[Uses], bytes]] = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, int]).decode


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `maximum` per period: of times a rule awards, or of `currency` that it gives.

    `key` names the limit in profiles. It says what is counted, so that a revision which changes a rule's limit to
    another period or currency does not read counts that mean something else.
    """

    key: str
    maximum: int
    currency: str | None
    label: Callable[[int, Zone], int]


def make_limit(rule: str, maximum: int, currency: str | None, per: Period) -> Limit:
    """Return the limit of a rule; `currency` is None if times are counted."""
    key = f"{rule}:{per}" if currency is None else f"{rule}:{per}:{currency}"
    return Limit(key, maximum, currency, PERIOD_LABELS[per])


def decode_uses(stored: bytes | None) -> Uses:
    """Return what `encode_uses` stored; nothing is used up if nothing is stored."""
    return {} if stored is None else _decode(stored)


def left(maximum: int, uses: Uses, label: int) -> int | None:
    """Return what is left in a period, 0 or more; None if it is older than all that are remembered, so nobody knows."""
    used = uses.get(label)
    if used is not None:
        return max(maximum - used, 0)
    return None if len(uses) >= PERIODS_REMEMBERED and label < min(uses) else maximum


def use(uses: Uses, label: int, amount: int) -> Uses:
    """Return the uses after `amount` more in a period that `left` knows. The oldest makes place for a new one."""
    changed = dict(uses)
    changed[label] = changed.get(label, 0) + amount
    if len(changed) > PERIODS_REMEMBERED:
        del changed[min(changed)]
    return changed


def cooling(latest_us: int | None, at_us: int, cooldown_us: int) -> bool:
    """Return whether an event is too close, before or after, to the latest one that was awarded (microseconds)."""
    return latest_us is not None and abs(at_us - latest_us) < cooldown_us
