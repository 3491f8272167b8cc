"""Abuse limits: events beyond them give nothing, or are told of. The event that exceeds a limit first raises a flag."""

from collections.abc import Iterable

from rules.decision import Fact
from rules.game import Abuse
from rules.limits import decode_uses, encode_uses, left, use
from rules.profile import Flag
from rules.work import Work


def is_refused(work: Work, abuses: Iterable[Abuse]) -> bool:
    """Count the event for each limit that it is about; return whether one of them refuses it.

    An event of a period older than all that are remembered is not held against anybody.
    """
    refused = False
    for abuse in abuses:
        if abuse.when is not None and not abuse.when(work):
            continue
        limit = abuse.limit
        uses = decode_uses(work.limits.get(limit.key))
        label = limit.label(work.at_seconds, work.zone)
        room = left(limit.maximum, uses, label)
        if room is None:
            continue
        work.limits = {**work.limits, limit.key: encode_uses(use(uses, label, 1))}
        if room > 0:
            continue
        _flag_once(work, abuse, label)
        if abuse.refuses:
            work.skipped.append((abuse.id, "abuse"))
            refused = True
    return refused


def _flag_once(work: Work, abuse: Abuse, label: int) -> None:
    """Raise the flag unless this period has one. The count can't tell: a revision may have changed what is allowed."""
    key = f"{abuse.limit.key}:flagged"
    flagged = decode_uses(work.limits.get(key))
    if label in flagged:
        return
    work.limits = {**work.limits, key: encode_uses(use(flagged, label, 1))}
    before = work.game.flags.get(abuse.id)
    flag = Flag(1 if before is None else before.times + 1, work.at_us)
    work.change(flags={**work.game.flags, abuse.id: flag})
    told = {"abuse": abuse.id, "reason": abuse.reason, "refused": abuse.refuses, "times": flag.times}
    work.facts.append(Fact("abuse.flagged", told))
