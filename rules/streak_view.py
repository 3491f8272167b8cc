"""What a profile shows of a streak at an instant: how it stands, how much it is at risk, what to do about it.

All of it follows from the stored state and the instant; docs/economy.md defines each word for those who read it.
"""

from typing import Final, Literal

from rules import streak_state
from rules.game import Streak
from rules.limits import decode_uses, left
from rules.profile import Profile
from rules.streak_periods import period_of
from rules.streak_state import StreakState
from rules.zones import Zone

Risk = Literal["none", "open", "at_risk", "broken"]
Advice = Literal["act", "act_or_freeze", "freeze", "start_again"]
HEALTH_PERIODS: Final = {"day": 28, "week": 12}
_ACTIVE_WORTH: Final = 2
_FROZEN_WORTH: Final = 1


def show_streak(streak: Streak, profile: Profile, seconds: int, zone: Zone) -> dict[str, object]:
    """Return a streak as profiles show it at an instant (seconds after the epoch)."""
    state = profile.game.streaks.get(streak.id, streak_state.NONE) if profile.game else streak_state.NONE
    now = period_of(streak.every, seconds, zone)
    length = streak_state.current(state, now, streak.grace)
    freezes = freezes_left(streak, profile, state, seconds, zone)
    risk = _risk(state, now, streak.grace)
    needed = _freezes_needed(state, now, streak.grace, freezes) if risk == "broken" else None
    return {
        "length": length,
        "longest": state.longest,
        "every": streak.every,
        "next_milestone": next((at for at, _ in streak.milestones if at > length), None),
        "freezes_left": freezes,
        "risk": risk,
        "advice": _advice(risk, freezes, needed),
        "freezes_needed": needed,
        "health": health(streak, state, now),
    }


def freezes_left(streak: Streak, profile: Profile, state: StreakState, seconds: int, zone: Zone) -> int:
    """Return how many freezes the actor has left at an instant: as many as the command would grant."""
    if streak.freezes is None:
        return 0
    uses = decode_uses(profile.limits.get(streak.freezes.key))
    allowed = left(streak.freezes.maximum, uses, streak.freezes.label(seconds, zone)) or 0
    return min(allowed, streak_state.room(state))


def health(streak: Streak, state: StreakState, now: int) -> int:
    """Return 0 to 100: the part of the last 28 days (12 weeks) that was active, a frozen period counting half.

    The present period counts once it is active, and nothing counts before the first period that is remembered.
    """
    if not state.stretches:
        return 0
    last = now if streak_state.is_active(state, now) else now - 1
    first = max(last - HEALTH_PERIODS[streak.every] + 1, state.stretches[0].first)
    if last < first:
        return 0
    periods = range(first, last + 1)
    worth = sum(_ACTIVE_WORTH for each in periods if streak_state.is_active(state, each))
    worth += sum(_FROZEN_WORTH for each in state.frozen if each in periods)
    return round(100 * worth / (_ACTIVE_WORTH * len(periods)))


def _risk(state: StreakState, now: int, grace: int) -> Risk:
    if streak_state.current(state, now, grace) == 0:
        return "broken" if state.stretches else "none"
    if streak_state.is_active(state, now):
        return "none"
    return "open" if streak_state.current(state, now + 1, grace) else "at_risk"


def _advice(risk: Risk, freezes: int, needed: int | None) -> Advice | None:
    match risk:
        case "at_risk":
            return "act_or_freeze" if freezes else "act"
        case "broken":
            return "start_again" if needed is None else "freeze"
        case _:
            return None


def _freezes_needed(state: StreakState, now: int, grace: int, most: int) -> int | None:
    """Return how many freezes bring a broken run back, None if it takes more than `most`."""
    for used in range(1, most + 1):
        kept = streak_state.kept_through(state)
        if kept is None or kept >= now:
            return None
        state = streak_state.freeze(state, kept + 1)
        if streak_state.current(state, now, grace):
            return used
    return None
