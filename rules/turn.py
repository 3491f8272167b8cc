"""What of the game comes before and after the rules of one event."""

from rules.abuse import is_refused
from rules.badges import award_badges, count_up
from rules.economy import Economy
from rules.game import TypePlan
from rules.levels import climb
from rules.quests import advance_quests
from rules.streaks import advance_streak
from rules.work import Work


def before_rules(work: Work, plan: TypePlan) -> bool:
    """Hold the event against abuse limits, and advance the streaks that it is about; return whether it is judged on.

    An event that an abuse limit refuses gives nothing and counts for nothing but that limit.

    Raises:
        PoisonEvent: an award is out of range.
    """
    if plan.abuses and is_refused(work, plan.abuses):
        return False
    for streak in plan.streaks:
        advance_streak(work, streak)
    return True


def after_rules(work: Work, economy: Economy, plan: TypePlan | None) -> None:
    """Give levels, then badges and quests, then the levels that those lead to.

    Raises:
        PoisonEvent: an award is out of range.
    """
    game, levels = economy.game, economy.levels
    if work.postings and levels is not None:
        climb(work, levels)
    if game is None:
        return
    if plan is not None and plan.boards:
        work.counted = frozenset(each.id for each in plan.boards if each.when is None or each.when(work))
    posted = len(work.postings)
    counted = plan is not None and count_up(work, plan.counters)
    if counted or work.postings or work.changed:
        award_badges(work, game.stateful if plan is None else plan.badges)
    if plan is not None:
        advance_quests(work, plan.quests)
    if len(work.postings) > posted and levels is not None:
        climb(work, levels)
