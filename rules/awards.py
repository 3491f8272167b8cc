"""One rule and one event that matches it: what it gives, within its cooldown and limit."""

from rules.economy import Rule
from rules.limits import Uses, cooling, decode_uses, encode_uses, left, use
from rules.multipliers import multiplied
from rules.work import Work


def award(work: Work, rule: Rule) -> None:
    """Post what the rule gives, or note why it gives nothing.

    Only an award > 0 uses up the limit and starts the cooldown.

    Raises:
        PoisonEvent: an amount is out of range.
    """
    if rule.cooldown_us and cooling(work.profile.cooldowns.get(rule.id), work.at_us, rule.cooldown_us):
        work.skipped.append((rule.id, "cooldown"))
        return
    limit = rule.limit
    if limit is None:
        if not _give(work, rule, None, 0):
            work.skipped.append((rule.id, "zero"))
            return
    else:
        uses = decode_uses(work.profile.limits.get(limit.key))
        label = limit.label(work.at_seconds, work.zone)
        room = left(limit.maximum, uses, label)
        if room is None or (room == 0 and limit.currency is None):
            work.skipped.append((rule.id, "too_old" if room is None else "limit"))
            return
        before = len(work.postings)
        if not _give(work, rule, limit.currency, room):
            work.skipped.append((rule.id, "zero" if room else "limit"))
            return
        _use_up(work, rule, uses, label, before)
    if rule.cooldown_us:
        latest = max(work.at_us, work.cooldowns.get(rule.id, work.at_us))
        work.cooldowns = {**work.cooldowns, rule.id: latest}


def _give(work: Work, rule: Rule, limited: str | None, room: int) -> bool:
    """Post each currency of the rule, the limited one up to what is left; return whether anything was posted."""
    given = False
    scaled = rule.multiplied and bool(work.economy.multipliers)
    for currency, amount in rule.awards:
        points = amount if isinstance(amount, int) else amount(work)
        if scaled:
            points = multiplied(points, work.factor(currency))
        if currency == limited and points > room:
            points = room
        if points:
            work.post(currency, points, "award", rule.id)
            given = True
    return given


def _use_up(work: Work, rule: Rule, uses: Uses, label: int, before: int) -> None:
    limit = rule.limit
    assert limit is not None
    if limit.currency is None:
        amount = 1
    else:
        amount = sum(posting.amount for posting in work.postings[before:] if posting.currency == limit.currency)
    if amount:
        work.limits = {**work.limits, limit.key: encode_uses(use(uses, label, amount))}
