"""Quests: tasks done one by one, and what the last of them gives. Each is completed once by each actor."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rules.badges import NOT_EARNED, give_badge, give_once_more, steps_of
from rules.decision import Fact
from rules.game import Quest, QuestTask
from rules.profile import QuestState
from rules.refusal import Refusal, known_in
from rules.work import Work

NOT_STARTED: Final = QuestState()
"""What is known of a quest nothing has happened in."""


def advance_quests(work: Work, quests: Iterable[tuple[Quest, tuple[QuestTask, ...]]]) -> None:
    """Count the event for the tasks that it is about, in quests that are open to the actor at the event's time.

    Raises:
        PoisonEvent: an award is out of range.
    """
    for quest, tasks in quests:
        state = work.game.quests.get(quest.id)
        if not _is_open(quest, state, work.at_us):
            continue
        state = state or QuestState(started_us=work.at_us)
        done = {task.id: min(state.tasks.get(task.id, 0) + 1, task.times) for task in tasks}
        if any(done[task.id] != state.tasks.get(task.id, 0) for task in tasks):
            _keep(work, quest, QuestState({**state.tasks, **done}, min(state.started_us, work.at_us)))


def _is_open(quest: Quest, state: QuestState | None, at_us: int) -> bool:
    if not quest.from_us <= at_us < quest.until_us:
        return False
    if state is None:
        return quest.automatic
    return state.completed_us is None and (quest.automatic or at_us >= state.started_us)


def _keep(work: Work, quest: Quest, state: QuestState) -> None:
    complete = all(state.tasks.get(task.id, 0) >= task.times for task in quest.tasks)
    if complete:
        state = QuestState({}, state.started_us, work.at_us)
    work.change(quests={**work.game.quests, quest.id: state})
    if complete:
        _complete(work, quest)


def _complete(work: Work, quest: Quest) -> None:
    work.facts.append(Fact("quest.completed", {"quest": quest.id}))
    for currency, amount in quest.awards:
        work.post(currency, amount, "bonus", quest.id)
    game = work.economy.game
    badge = None if game is None or quest.badge is None else game.badges.get(quest.badge)
    if badge is not None:
        earned = work.game.badges.get(badge.id, NOT_EARNED)
        if badge.repeatable:  # beyond what is counted, or the first multiple would not be awarded any more
            if earned is NOT_EARNED:
                give_once_more(work, badge, earned)
        elif (held := steps_of(badge, earned)) < len(badge.tiers):
            give_badge(work, badge, earned, held + 1)


def start_quest(work: Work, data: Mapping[str, Any]) -> None:
    """Start a quest that begins by command: events from the command's time on count for it.

    Raises:
        Refusal: `unknown_quest`, `starts_by_itself`, `already_completed`, `already_started`, `not_open` at that time.
    """
    game = work.economy.game
    quest = known_in({} if game is None else game.quests, data.get("quest"), "unknown_quest")
    if quest.automatic:
        raise Refusal("starts_by_itself")
    state = work.game.quests.get(quest.id)
    if state is not None:
        raise Refusal("already_started" if state.completed_us is None else "already_completed")
    if not quest.from_us <= work.at_us < quest.until_us:
        raise Refusal("not_open")
    work.change(quests={**work.game.quests, quest.id: QuestState(started_us=work.at_us)})
