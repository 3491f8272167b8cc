"""What of the game comes before and after the rules of one event."""

from rules.game import TypePlan
from rules.streaks import advance_streak
from rules.work import Work


def before_rules(work: Work, plan: TypePlan) -> None:
    """Advance the streaks that the event is about.

    Raises:
        PoisonEvent: an award is out of range.
    """
    for streak in plan.streaks:
        advance_streak(work, streak)
