"""Quests as documents write them: tasks to be done between two instants, and what doing all of them gives."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from rules.condition_schema import Model
from rules.fields import TRANSFER_MAX, Count, Id, Instant, closest, known_in, mistake
from rules.game_schema import On


class Task(Model):
    """So many events of some types."""

    id: Id
    on: On
    times: Count = 1


def _award(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        raise mistake("award", "an award names currencies, and perhaps a badge", "{coins: 100, badge: newcomer}")
    currencies = (info.context or {}).get("currencies")
    for key, amount in value.items():
        if key == "badge":
            known_in("badges", "badge")(str(amount), info)
        elif currencies is not None and key not in currencies:
            suggestion = closest(str(key), currencies) or "add it to `currencies`"
            raise mistake("unknown_currency", f"there is no currency {key!r}", suggestion, at=str(key))
        elif type(amount) is not int or not 0 < amount <= TRANSFER_MAX:
            raise mistake("amount", f"{amount!r} is no amount", "a whole number, at least 1", at=str(key))
    return value


QuestAward = Annotated[dict[str, Any], BeforeValidator(_award)]
"""Amounts by currency; the key `badge` names a badge."""


class QuestPart(Model):
    """Tasks, done once by each actor."""

    id: Id
    start: Literal["auto", "command"] = "auto"
    from_: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None
    tasks: Annotated[tuple[Task, ...], Field(max_length=100)]
    award: QuestAward = Field(default_factory=dict)

    @model_validator(mode="after")
    def _checked(self) -> "QuestPart":
        if self.from_ is not None and self.until is not None and self.until <= self.from_:
            raise mistake("window", "the quest ends before it begins", "an instant after `from`", at="until")
        if not self.tasks:
            raise mistake("tasks", "a quest has at least one task", "{id: merge, on: pr.merged, times: 1}", at="tasks")
        ids = [task.id for task in self.tasks]
        if len(set(ids)) < len(ids):
            raise mistake("tasks", "two tasks have the same id", "an id for each", at="tasks")
        return self
