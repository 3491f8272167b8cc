"""Streaks: periods in a row in which an actor did something, and what long runs of them give.

A milestone gives its awards once to each run that becomes so long. A run that has grown together from two, because a
late event closed the gap between them, is given what neither was given before.
"""

from rules import streak_state
from rules.decision import Fact
from rules.game import Streak
from rules.streak_periods import period_date, period_of
from rules.streak_state import StreakState
from rules.work import Work


def advance_streak(work: Work, streak: Streak) -> None:
    """Count the event's period in, and give what the run it belongs to has reached.

    A period counts once. An event of an older period may close a gap; one older than all that is remembered does
    nothing.

    Raises:
        PoisonEvent: an award is out of range.
    """
    period = period_of(streak.every, work.at_seconds, work.zone)
    before = work.game.streaks.get(streak.id, streak_state.NONE)
    state = streak_state.record(before, period, streak.grace)
    if state is None:
        return
    store_run(work, streak, state, period)


def store_run(work: Work, streak: Streak, state: StreakState, period: int) -> None:
    """Keep a streak that has changed, give the milestones of the run that the active `period` is in, and tell of it."""
    # A period that made the oldest stretch may be part of what is only counted: of the run that now is the oldest.
    run = streak_state.run_at(state, max(streak_state.index_of(state, period), 0), streak.grace)
    reached = [each for each in streak.milestones if run.paid < each[0] <= run.length]
    state = streak_state.noted(state, run, reached[-1][0] if reached else run.paid)
    work.change(streaks={**work.game.streaks, streak.id: state})
    last = len(state.stretches) - 1
    data = {
        "streak": streak.id,
        "length": run.length if run.at == last else streak_state.run_at(state, last, streak.grace).length,
        "longest": state.longest,
        "period": period_date(streak.every, period),
    }
    work.facts.append(Fact("streak.updated", data | ({"milestone": reached[-1][0]} if reached else {})))
    for _, awards in reached:
        for currency, amount in awards:
            work.post(currency, amount, "bonus", streak.id)
