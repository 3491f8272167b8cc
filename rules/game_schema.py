"""The parts of an economy document beyond rules: streaks and what they give."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rules.condition_schema import Model
from rules.fields import Count, Currency, EventPattern, Id, mistake

STEP_MAX = 1_000_000


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _step(key: Any) -> int:
    text = str(key)
    if isinstance(key, bool) or not (text.isascii() and text.isdecimal() and len(text) <= len(str(STEP_MAX))):
        raise mistake("step", f"{key!r} is no length", "a whole number, such as 7")
    if not 0 < int(text) <= STEP_MAX or str(int(text)) != text:
        raise mistake("step", f"{key!r} is no length", f"a whole number from 1 to {STEP_MAX}, without zeros before it")
    return int(text)


On = Annotated[tuple[EventPattern, ...], BeforeValidator(_as_list), Field(min_length=1)]
"""Event types: one, several, or a prefix."""
Bonus = dict[Currency, Count]
"""What is given for reaching something: amounts by currency, never multiplied."""
Step = Annotated[int, BeforeValidator(_step)]
"""The length of a streak."""


class Freezes(Model):
    """How many missed periods of a streak commands may cover."""

    times: Count
    per: Literal["day", "week", "month", "ever"]


class StreakPart(Model):
    """Periods in a row in which an actor did something."""

    id: Id
    on: On
    every: Literal["day", "week"]
    grace: Annotated[int, Field(strict=True, ge=0, le=366)] = 0
    freezes: Freezes | None = None
    milestones: Annotated[dict[Step, Bonus], Field(max_length=100)] = Field(default_factory=dict)
