"""Compiles the parts of an economy document beyond its rules, once per revision."""

from typing import Final

from rules import abuse_schema, game_schema, quest_schema, reward_schema, schema
from rules.badge_compiler import compile_badges
from rules.board_compiler import compile_boards
from rules.conditions import compile_condition
from rules.game import Abuse, CountedBoard, Game, Quest, QuestTask, Reward, Streak
from rules.instants import after_us, before_us
from rules.limits import make_limit

_SECOND_US: Final = 1_000_000


def compile_game(document: schema.EconomyDocument) -> Game | None:
    """Return the game that a validated document describes; None if it is all rules."""
    boards = [CountedBoard(each.id, each.on, each.when) for each in compile_boards(document).values() if each.on]
    if not (document.streaks or document.badges or document.quests or document.abuse or document.rewards or boards):
        return None
    badges, counters = compile_badges(document.badges)
    streaks = {each.id: _streak(each) for each in document.streaks}
    rewards = {each.id: _reward(each) for each in document.rewards}
    quests = {each.id: _quest(each) for each in document.quests}
    return Game(streaks, badges, counters, quests, {each.id: _abuse(each) for each in document.abuse}, boards, rewards)


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


def _quest(part: quest_schema.QuestPart) -> Quest:
    return Quest(
        id=part.id,
        automatic=part.start == "auto",
        from_us=after_us(part.from_),
        until_us=before_us(part.until),
        tasks=tuple(QuestTask(task.id, task.on, task.times) for task in part.tasks),
        awards=tuple((currency, amount) for currency, amount in part.award.items() if currency != "badge"),
        badge=part.award.get("badge"),
    )


def _abuse(part: abuse_schema.AbusePart) -> Abuse:
    often = "ever" if part.per == "ever" else f"per {part.per}"
    return Abuse(
        id=part.id,
        on=part.on,
        when=None if part.when is None else compile_condition(part.when),
        limit=make_limit(f"abuse:{part.id}", part.times, None, part.per),
        refuses=part.action == "refuse",
        reason=f"more than {part.times} of {', '.join(part.on)} {often}",
    )


def _reward(part: reward_schema.RewardPart) -> Reward:
    return Reward(
        id=part.id,
        name=part.name,
        cost=tuple(part.cost.items()),
        stock=part.stock,
        per_actor=part.per_actor,
        expires_us=None if part.expires_after is None else part.expires_after * _SECOND_US,
    )
