"""Compiles badges: their criteria, and what profiles must count for them."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

from rules import badge_schema
from rules.amounts import compile_amount
from rules.conditions import compile_condition
from rules.game import Badge, BalanceOf, Counted, Counter, Criterion, LevelOf, Parts, StreakOf

_KEY_BYTES = 6  # 48 bits tell the counters of one document apart; every profile carries the key of each it uses


def compile_badges(parts: Iterable[badge_schema.BadgePart]) -> tuple[dict[str, Badge], dict[str, Counter]]:
    """Return badges by id, and by key the counters that they share where they count the same."""
    counters: dict[str, Counter] = {}
    return {part.id: _badge(part, counters) for part in parts}, counters


def _badge(part: badge_schema.BadgePart, counters: dict[str, Counter]) -> Badge:
    tiers = part.tiers
    return Badge(
        id=part.id,
        name=part.name,
        category=part.category,
        criterion=_criterion(part, counters),
        tiers=((None, part.at or 1),)
        if tiers is None
        else tuple((tier, tiers[tier]) for tier in badge_schema.TIERS if tier in tiers),
        awards=tuple(part.award.items()),
        secret=part.secret,
        repeatable=part.repeatable,
    )


def _criterion(part: badge_schema.Criterion, counters: dict[str, Counter]) -> Criterion:
    if part.level is not None:
        return LevelOf(part.level)
    if part.streak is not None:
        return StreakOf(part.streak.id, part.streak.length)
    if part.balance is not None:
        balances = tuple(BalanceOf(currency, amount) for currency, amount in part.balance.items())
        return balances[0] if len(balances) == 1 else Parts(every=True, parts=balances)
    if part.all is not None or part.any is not None:
        parts = tuple(_criterion(each, counters) for each in part.all or part.any or ())
        return Parts(every=part.all is not None, parts=parts)
    counted = part.count or part.sum
    assert counted is not None, "the schema wants one of the kinds"
    counter = _counter(counted)
    counters.setdefault(counter.key, counter)
    return Counted(counter.key, part.at or 1)


def _counter(counted: badge_schema.CountOf) -> Counter:
    summed = counted.field if isinstance(counted, badge_schema.SumOf) else None
    when = None if counted.when is None else counted.when.model_dump(mode="json")
    what = json.dumps([sorted(set(counted.on)), when, summed], sort_keys=True)
    digest = blake2b(what.encode(), digest_size=_KEY_BYTES, person=b"plaudit-counter").digest()
    return Counter(
        key=urlsafe_b64encode(digest).decode(),
        on=counted.on,
        when=None if counted.when is None else compile_condition(counted.when),
        amount=None if summed is None else compile_amount(summed, 1, 1),
    )
