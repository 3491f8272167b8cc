"""Badges: what is counted for them, and when one is reached."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol, assert_never

from rules.amounts import BALANCE_MAX
from rules.badge_schema import TIERS
from rules.decision import Fact
from rules.game import Badge, BalanceOf, Counted, Counter, Criterion, LevelOf, Parts, StreakOf
from rules.profile import Earned, Game
from rules.work import Work

NOT_EARNED: Final = Earned(0, 0)


class Holdings(Protocol):
    """What criteria are held against: an event in the making, or a profile."""

    @property
    def balances(self) -> Mapping[str, int]: ...
    @property
    def level(self) -> int: ...
    @property
    def game(self) -> Game: ...


class Progress(NamedTuple):
    """How far something is; it is reached when `current` is no less than `target`."""

    current: int
    target: int


def count_up(work: Work, counters: Iterable[Counter]) -> bool:
    """Count the event where a counter's condition holds; return whether it was counted anywhere."""
    counted: dict[str, int] = {}
    for counter in counters:
        if counter.when is None or counter.when(work):
            amount = 1 if counter.amount is None else counter.amount(work)
            if amount:
                counted[counter.key] = min(work.game.counters.get(counter.key, 0) + amount, BALANCE_MAX)
    if counted:
        work.change(counters={**work.game.counters, **counted})
    return bool(counted)


def award_badges(work: Work, badges: Iterable[Badge]) -> None:
    """Award, in their order, the badges whose next step is reached.

    Raises:
        PoisonEvent: an award is out of range.
    """
    for badge in badges:
        earned = work.game.badges.get(badge.id, NOT_EARNED)
        held = steps_of(badge, earned)
        if held >= len(badge.tiers) and not badge.repeatable:
            continue  # as most badges are, after a while
        steps = steps_reached(badge, work)
        if steps > held:
            give_badge(work, badge, earned, steps)


def give_badge(work: Work, badge: Badge, earned: Earned, steps: int) -> None:
    """Bring a badge from the steps that were reached to `steps`; each gives the badge's award.

    Raises:
        PoisonEvent: an award is out of range.
    """
    held = steps_of(badge, earned)
    if badge.repeatable:
        _keep(work, badge, Earned(steps, work.at_us, earned.given))
        _tell(work, badge, None, steps - held, steps + earned.given)
        return
    _keep(work, badge, Earned(steps, work.at_us, earned.given, badge.tiers[steps - 1][0]))
    for tier, _ in badge.tiers[held:steps]:
        _tell(work, badge, tier, 1, 1)


def give_once_more(work: Work, badge: Badge, earned: Earned) -> None:
    """Give a repeatable badge beyond what is counted for it.

    Raises:
        PoisonEvent: an award is out of range.
    """
    _keep(work, badge, Earned(earned.steps, work.at_us, earned.given + 1))
    _tell(work, badge, None, 1, earned.steps + earned.given + 1)


def steps_of(badge: Badge, earned: Earned) -> int:
    """Return how many steps of a badge an actor has, as the document has them now.

    Of tiers: all up to the one reached, by its name; one that a revision put below it is passed over for good.
    """
    tier = earned.tier
    if tier is None or badge.repeatable:
        return earned.steps
    if earned.steps <= len(badge.tiers) and badge.tiers[earned.steps - 1][0] == tier:
        return earned.steps  # no revision changed what is below it
    highest = TIERS.index(tier)
    return sum(name is None or TIERS.index(name) <= highest for name, _ in badge.tiers)


def steps_reached(badge: Badge, held: Holdings) -> int:
    """Return how many steps of a badge the holdings reach."""
    current, target = progress(badge.criterion, held)
    if badge.repeatable:
        return current // target
    if not isinstance(badge.criterion, Counted):
        return int(current >= target)
    return sum(current >= at for _, at in badge.tiers)


def progress(criterion: Criterion, held: Holdings) -> Progress:
    """Return how far the holdings are. Of several parts: how many are reached; of alternatives, the nearest one."""
    match criterion:
        case Counted(key, at):
            return Progress(held.game.counters.get(key, 0), at)
        case LevelOf(level):
            return Progress(held.level, level)
        case StreakOf(streak, length):
            state = held.game.streaks.get(streak)
            return Progress(0 if state is None else state.longest, length)
        case BalanceOf(currency, amount):
            return Progress(held.balances.get(currency, 0), amount)
        case Parts(every, parts):
            each = [progress(part, held) for part in parts]
            if every:
                return Progress(sum(current >= target for current, target in each), len(each))
            return max(each, key=lambda part: min(part.current / part.target, 1))
        case _:
            assert_never(criterion)


def _keep(work: Work, badge: Badge, earned: Earned) -> None:
    work.change(badges={**work.game.badges, badge.id: earned})


def _tell(work: Work, badge: Badge, tier: str | None, times: int, total: int) -> None:
    data: dict[str, Any] = {"badge": badge.id, "category": badge.category, "tier": tier, "times": total}
    work.facts.append(Fact("badge.awarded", {name: value for name, value in data.items() if value is not None}))
    for currency, amount in badge.awards:
        work.post(currency, amount * times, "bonus", badge.id)
