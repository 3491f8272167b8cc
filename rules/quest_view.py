"""What a profile shows of quests at an instant."""

from typing import Literal

from rules.badge_view import shown_instant
from rules.game import Quest
from rules.profile import QuestState
from rules.quests import NOT_STARTED

Status = Literal["upcoming", "available", "active", "completed", "over"]


def show_quest(quest: Quest, state: QuestState | None, now_us: int) -> dict[str, object]:
    """Return a quest as profiles show it: where the actor stands, and how far each task is."""
    known = state or NOT_STARTED
    completed = known.completed_us is not None
    return {
        "status": _status(quest, state, now_us),
        "tasks": {
            task.id: {"current": task.times if completed else known.tasks.get(task.id, 0), "target": task.times}
            for task in quest.tasks
        },
        "started_at": None if state is None else shown_instant(state.started_us),
        "completed_at": None if known.completed_us is None else shown_instant(known.completed_us),
    }


def _status(quest: Quest, state: QuestState | None, now_us: int) -> Status:
    if state is not None and state.completed_us is not None:
        return "completed"
    if now_us >= quest.until_us:
        return "over"
    if now_us < quest.from_us:
        return "upcoming"
    return "active" if state is not None or quest.automatic else "available"
