"""Levels: reached by the balance of one currency, one by one, each with its award once; none is ever taken away."""

from rules.decision import Fact
from rules.economy import Levels
from rules.work import Work


def climb(work: Work, levels: Levels) -> None:
    """Raise the actor to every level that the balance reaches, the awards of the levels on the way included.

    Raises:
        PoisonEvent: an award is out of range.
    """
    while work.level < len(levels.thresholds):
        points = work.balances.get(levels.currency, 0)
        if points < levels.thresholds[work.level]:
            return
        work.level += 1
        work.facts.append(Fact("level.reached", {"level": work.level, "currency": levels.currency, "points": points}))
        for currency, amount in levels.awards:
            work.post(currency, amount, "bonus", f"level:{work.level}")
