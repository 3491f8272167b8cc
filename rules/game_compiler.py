"""Compiles the parts of an economy document beyond its rules, once per revision."""

from rules import game_schema, schema
from rules.badge_compiler import compile_badges
from rules.game import Game, Streak
from rules.limits import make_limit


def compile_game(document: schema.EconomyDocument) -> Game | None:
    """Return the game that a validated document describes; None if it is all rules."""
    if not (document.streaks or document.badges):
        return None
    badges, counters = compile_badges(document.badges)
    return Game({each.id: _streak(each) for each in document.streaks}, badges, counters)


def _streak(part: game_schema.StreakPart) -> Streak:
    freezes = part.freezes
    return Streak(
        id=part.id,
        on=part.on,
        every=part.every,
        grace=part.grace,
        freezes=None if freezes is None else make_limit(f"freeze:{part.id}", freezes.times, None, freezes.per),
        milestones=tuple((length, tuple(part.milestones[length].items())) for length in sorted(part.milestones)),
    )
