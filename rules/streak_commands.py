"""The command that covers a missed period of a streak."""

from typing import Any

from rules import streak_state
from rules.decision import Fact
from rules.limits import decode_uses, encode_uses, left, use
from rules.refusal import Refusal, known_in
from rules.streak_periods import period_date, period_of
from rules.work import Work


def freeze_streak(work: Work, data: dict[str, Any]) -> None:
    """Cover the first period that is missing after the latest run, up to and with the one that the command falls into.

    Raises:
        Refusal: `unknown_streak`, `not_freezable`, `no_streak` before the first period, `nothing_to_freeze`,
            `no_freezes_left`.
    """
    game = work.economy.game
    streak = known_in({} if game is None else game.streaks, data.get("streak"), "unknown_streak")
    if streak.freezes is None:
        raise Refusal("not_freezable")
    state = work.game.streaks.get(streak.id, streak_state.NONE)
    kept = streak_state.kept_through(state)
    if kept is None:
        raise Refusal("no_streak")
    now = period_of(streak.every, work.at_seconds, work.zone)
    if kept >= now:
        raise Refusal("nothing_to_freeze")
    uses = decode_uses(work.limits.get(streak.freezes.key))
    label = streak.freezes.label(work.at_seconds, work.zone)
    if not left(streak.freezes.maximum, uses, label) or not streak_state.room(state):
        raise Refusal("no_freezes_left")
    work.limits = {**work.limits, streak.freezes.key: encode_uses(use(uses, label, 1))}
    state = streak_state.freeze(state, kept + 1)
    work.change(streaks={**work.game.streaks, streak.id: state})
    told = {
        "streak": streak.id,
        "length": streak_state.current(state, now, streak.grace),
        "longest": state.longest,
        "period": period_date(streak.every, kept + 1),
        "frozen": True,
    }
    work.facts.append(Fact("streak.updated", told))
