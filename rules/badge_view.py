"""What a profile shows of badges: those earned, how far the others are, and which are nearest."""

from datetime import timedelta
from typing import Final

from pipeline.events import EPOCH
from rules.badges import NOT_EARNED, Holdings, Progress, progress, steps_of
from rules.game import Badge, Counted, Game
from rules.names import name_in
from rules.profile import Earned

RECOMMENDED_MAX: Final = 3


def show_badges(game: Game, held: Holdings, locale: object) -> list[dict[str, object]]:
    """Return the badges that an actor with this `locale` (the attribute, None without it) has, in document order."""
    earned = held.game.badges
    return [_earned(badge, earned[name], locale) for name, badge in game.badges.items() if name in earned]


def show_progress(game: Game, held: Holdings, locale: object) -> dict[str, dict[str, object]]:
    """Return how far the next step of each badge is. Secret badges are left out until they are earned."""
    shown: dict[str, dict[str, object]] = {}
    for name, badge in game.badges.items():
        earned = held.game.badges.get(name, NOT_EARNED)
        if badge.secret and earned is NOT_EARNED:
            continue
        ahead = _next_step(badge, earned, held)
        if ahead is not None:
            tier, step = ahead
            title = name_in(badge.name, locale, badge.id)
            shown[name] = {"title": title, "current": min(step.current, step.target), "target": step.target}
            shown[name] |= {} if tier is None else {"tier": tier}
    return shown


def recommended(game: Game, held: Holdings) -> list[str]:
    """Return the nearest badges that are not earned yet and not secret, by the part of them that is done.

    The order of the document decides among equals. One for which nothing is done is not recommended.
    """
    nearest = []
    for order, badge in enumerate(game.badges.values()):
        ahead = _next_step(badge, NOT_EARNED, held)
        if badge.id not in held.game.badges and not badge.secret and ahead is not None and ahead[1].current > 0:
            nearest.append((-min(ahead[1].current / ahead[1].target, 1), order, badge.id))
    return [name for _, _, name in sorted(nearest)[:RECOMMENDED_MAX]]


def _next_step(badge: Badge, earned: Earned, held: Holdings) -> tuple[str | None, Progress] | None:
    current, target = progress(badge.criterion, held)
    if badge.repeatable:
        return None, Progress(current, target * (earned.steps + 1))
    steps = steps_of(badge, earned)
    if steps >= len(badge.tiers):
        return None
    tier, at = badge.tiers[steps]
    return tier, Progress(current, at if isinstance(badge.criterion, Counted) else target)


def _earned(badge: Badge, earned: Earned, locale: object) -> dict[str, object]:
    tiers = badge.tiers[: earned.steps]
    return {
        "badge": badge.id,
        "name": badge.name,
        "title": name_in(badge.name, locale, badge.id),
        "category": badge.category,
        "tier": earned.tier or (tiers[-1][0] if tiers else None),
        "times": earned.steps + earned.given if badge.repeatable else 1,
        "earned_at": shown_instant(earned.at_us),
    }


def shown_instant(micros: int) -> str:
    """Return an instant (microseconds since the epoch) as profiles show it."""
    return (EPOCH + timedelta(microseconds=micros)).isoformat()
