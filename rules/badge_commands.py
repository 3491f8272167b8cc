"""The command that gives a badge by hand."""

from typing import Any

from rules.badges import NOT_EARNED, give_badge, give_once_more, steps_of
from rules.game import Badge
from rules.refusal import Refusal, known_in
from rules.work import Work


def award_badge(work: Work, data: dict[str, Any]) -> None:
    """Give a badge up to the tier that is named, the lowest that the actor lacks if none is; with its awards.

    Raises:
        Refusal: `unknown_badge`, `unknown_tier`, `already_awarded`.
    """
    game = work.economy.game
    badge = known_in({} if game is None else game.badges, data.get("badge"), "unknown_badge")
    earned = work.game.badges.get(badge.id, NOT_EARNED)
    held = steps_of(badge, earned)
    steps = _steps(badge, data.get("tier"), held)
    if badge.repeatable:
        give_once_more(work, badge, earned)
    elif steps <= held or steps > len(badge.tiers):
        raise Refusal("already_awarded")
    else:
        give_badge(work, badge, earned, steps)


def _steps(badge: Badge, tier: object, held: int) -> int:
    if tier is None:
        return held + 1
    names = [name for name, _ in badge.tiers]
    if tier not in names:
        raise Refusal("unknown_tier")
    return names.index(str(tier)) + 1
